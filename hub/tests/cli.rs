//! The program at the terminal: what it prints and how it exits. Runs the real binary in an empty folder.

use std::process::{Command, Output};

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
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
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
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
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
