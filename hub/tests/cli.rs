//! The program at the terminal: what it prints and how it exits. Runs the real binary in an empty folder.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// For what takes a moment.
const SOON: Duration = Duration::from_secs(20);

struct Terminal(tempfile::TempDir);

impl Terminal {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn run(&self, args: &[&str]) -> Output {
        self.run_with(args, &[])
    }

    fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hubbub"));
        command.args(args).current_dir(self.0.path()).env_clear().envs(env.iter().copied());
        command.output().expect("the program runs")
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).expect("written");
    }
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn token_prints_the_token_alone() {
    let output =
        Terminal::new().run(&["token", "--sub", "u1", "--allow", "live:*=subscribe,publish", "--ttl", "1h", "--dev"]);
    assert!(output.status.success(), "{}", err(&output));
    let text = out(&output);
    assert_eq!((text.lines().count(), text.trim().split('.').count()), (1, 3), "{text}");
    assert!(output.stderr.is_empty());
}

#[test]
fn token_without_a_key_says_what_to_configure() {
    let output = Terminal::new().run(&["token", "--sub", "u1"]);
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(err(&output).contains("--dev") && err(&output).contains("[[tenants.token_keys]]"), "{}", err(&output));
}

#[test]
fn config_is_read_from_the_folder_the_variable_and_the_flag() {
    let terminal = Terminal::new();
    terminal.write("hubbub.toml", "[node]\nname = \"from-file\"\n");
    terminal.write("other.toml", "[node]\nname = \"from-other\"\n");
    let name = |args: &[&str], env: &[(&str, &str)]| {
        let output = terminal.run_with(&[&["config", "show", "--dev"], args].concat(), env);
        assert!(output.status.success(), "{}", err(&output));
        out(&output).lines().find(|line| line.starts_with("name = ")).map(str::to_owned)
    };
    let named = |text: &str| Some(text.to_owned());
    assert_eq!(name(&[], &[]), named("name = \"from-file\" # hubbub.toml"));
    assert_eq!(name(&["--config", "other.toml"], &[]), named("name = \"from-other\" # other.toml"));
    assert_eq!(name(&[], &[("HUBBUB_CONFIG", "other.toml")]), named("name = \"from-other\" # other.toml"));
    assert_eq!(name(&[], &[("HUBBUB_NODE__NAME", "n1")]), named("name = \"n1\" # HUBBUB_NODE__NAME"));
}

#[test]
fn config_check_tells_mistakes_with_their_lines() {
    let terminal = Terminal::new();
    terminal.write("hubbub.toml", "[limits]\nframe_byte = 1\n");
    let output = terminal.run(&["config", "check", "--dev"]);
    assert!(!output.status.success());
    assert!(err(&output).contains("hubbub.toml:2: there is no key `limits.frame_byte`"), "{}", err(&output));
    assert!(terminal.run(&["config", "check", "--dev", "--config", "gone.toml"]).status.code() == Some(1));
    terminal.write("hubbub.toml", "");
    let output = terminal.run(&["config", "check", "--dev"]);
    assert!(output.status.success() && out(&output).contains("fine"), "{}", err(&output));
}

#[test]
fn config_show_keeps_secrets() {
    let output = Terminal::new().run(&["config", "show", "--dev"]);
    assert!(output.status.success() && out(&output).contains("[redacted]"));
    assert!(!out(&output).contains("hubbub-development-secret") && !out(&output).contains("\"dev-key\""));
}

#[test]
fn config_docs_needs_no_configuration() {
    let terminal = Terminal::new();
    terminal.write("hubbub.toml", "broken");
    let output = terminal.run(&["config", "docs"]);
    assert!(output.status.success() && out(&output).contains("| `frame_bytes` | number | `65536` |"));
}

#[test]
fn publish_says_when_nobody_answers() {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let url = format!("http://127.0.0.1:{port}");
    let output = Terminal::new().run(&["publish", "--channel", "live:a", "--data", "1", "--url", &url]);
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(err(&output).contains("can not be reached") && err(&output).contains(&url), "{}", err(&output));
    let output = Terminal::new().run(&["publish", "--channel", "live:a", "--data", "{"]);
    assert!(err(&output).contains("this is not JSON"), "{}", err(&output));
}

/// Answers one request and gives back what was asked.
fn answer_once(status: u16, body: &str) -> (String, std::thread::JoinHandle<String>) {
    use std::io::{Read, Write};
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let answer = format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a request");
        let mut asked = String::new();
        let mut buffer = [0; 4096];
        // The body of these tests ends with the only `}` that follows another one or a number.
        while !asked.ends_with('}') {
            let read = stream.read(&mut buffer).expect("a request");
            asked.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        stream.write_all(answer.as_bytes()).expect("answered");
        asked
    });
    (url, server)
}

#[test]
fn publish_sends_the_message_and_prints_the_answer() {
    let (url, server) = answer_once(200, r#"{"channel":"live:a","offset":1}"#);
    let args = ["publish", "--channel", "live:a", "--data", "{\"x\": 1e400}", "--key", "k", "--url", &url];
    let output = Terminal::new().run_with(&args, &[("HUBBUB_API_KEY", "secret-key")]);
    let asked = server.join().expect("asked").to_ascii_lowercase();
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(out(&output), "{\"channel\":\"live:a\",\"offset\":1}\n");
    assert!(
        asked.starts_with("post /v1/publish http/1.1\r\n") && asked.contains("authorization: bearer secret-key\r\n"),
        "{asked}"
    );
    assert!(asked.ends_with(r#"{"channel":"live:a","data":{"x": 1e400},"key":"k"}"#), "{asked}");
}

#[test]
fn publish_fails_with_the_detail_of_the_problem() {
    let (url, server) = answer_once(403, r#"{"title":"forbidden","detail":"the API key needs the scope `publish`"}"#);
    let output = Terminal::new().run(&["publish", "--channel", "live:a", "--data", "1", "--url", &url]);
    server.join().expect("asked");
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(err(&output).contains("403: the API key needs the scope `publish`"), "{}", err(&output));
}

/// `hubbub serve` with a Postgres that does not answer. Killed when dropped.
struct Waiting {
    child: Child,
    lines: Receiver<String>,
    _folder: Terminal,
}

impl Waiting {
    fn for_postgres_at(port: u16) -> Self {
        let folder = Terminal::new();
        let mut command = Command::new(env!("CARGO_BIN_EXE_hubbub"));
        command.args(["serve", "--dev", "--public", "127.0.0.1:0", "--internal", "127.0.0.1:0"]).env_clear();
        command.env("HUBBUB_STORE__POSTGRES_URL", format!("postgres://hubbub:hubbub@127.0.0.1:{port}/hubbub"));
        command.current_dir(folder.0.path()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        let (said, lines) = channel();
        let log = BufReader::new(child.stderr.take().expect("piped"));
        std::thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| said.send(line)));
        Self { child, lines, _folder: folder }
    }

    fn until_it_says(&self, what: &str) {
        while !self.lines.recv_timeout(SOON).expect(what).contains(what) {}
    }

    /// Its end, soon after the signal.
    fn ends_with(mut self, signal: &str) -> (ExitStatus, String) {
        let kill = Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(kill.success());
        let mut rest = String::new();
        loop {
            match self.lines.recv_timeout(Duration::from_secs(5)) {
                Ok(line) => rest = rest + &line + "\n",
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it goes on after {signal}: {rest}"),
            }
        }
        (self.child.wait().expect("ended"), rest)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_hub_that_waits_for_its_database_ends_when_told() {
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let hub = Waiting::for_postgres_at(nobody);
    hub.until_it_says("waiting for Postgres");
    let (status, said) = hub.ends_with("-TERM");
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("stopped before it was ready"), "{said}");
}

#[test]
fn a_hub_whose_database_is_silent_ends_when_told() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let hub = Waiting::for_postgres_at(silent.local_addr().expect("bound").port());
    let (_held, _) = silent.accept().expect("the hub asks");
    let (status, said) = hub.ends_with("-INT");
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("stopped before it was ready"), "{said}");
}
