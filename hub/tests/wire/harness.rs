//! Starts the real program on free ports in a folder of its own, and ends it with the test. Knows nothing of what a test
//! wants to prove; a program that panicked fails whichever test started it.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hubbub::auth::mint::TokenDraft;
use hubbub::config::Config;
use tempfile::TempDir;

/// Longer than anything takes on a busy machine: a test that waits so long has failed.
pub(crate) const WITHIN: Duration = Duration::from_secs(30);

/// How a hub is started.
#[derive(Clone)]
pub(crate) struct Setup {
    env: Vec<(String, String)>,
    dev: bool,
    config: Option<String>,
    folder: Arc<TempDir>,
    ports: [u16; 2],
}

impl Setup {
    /// Development mode, every default.
    pub(crate) fn new() -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a folder"));
        Self { env: Vec::new(), dev: true, config: None, folder, ports: [0, 0] }
    }

    /// With another limit.
    pub(crate) fn limit(mut self, name: &str, value: u64) -> Self {
        self.env.push((format!("HUBBUB_LIMITS__{}", name.to_ascii_uppercase()), value.to_string()));
        self
    }

    /// With a variable of the environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a configuration file.
    pub(crate) fn config(mut self, text: &str) -> Self {
        self.config = Some(text.to_owned());
        self
    }

    /// Not in development mode.
    pub(crate) fn production(mut self) -> Self {
        self.dev = false;
        self
    }

    /// The file of [`Setup::config`].
    pub(crate) fn config_path(&self) -> PathBuf {
        self.folder.path().join("hubbub.toml")
    }

    /// On these ports, the public and the internal one.
    pub(crate) fn on_ports(mut self, ports: [u16; 2]) -> Self {
        self.ports = ports;
        self
    }

    /// Starts it and waits until it is ready.
    pub(crate) fn start(self) -> Hub {
        Hub::start(self)
    }
}

/// A running hub.
pub(crate) struct Hub {
    pub(crate) public: SocketAddr,
    pub(crate) internal: SocketAddr,
    setup: Setup,
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Hub {
    /// A hub in development mode with every default.
    pub(crate) fn dev() -> Self {
        Setup::new().start()
    }

    fn start(setup: Setup) -> Self {
        if let Some(text) = &setup.config {
            std::fs::write(setup.config_path(), text).expect("written");
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_hubbub"));
        command.arg("serve").current_dir(setup.folder.path()).env_clear();
        // Two, so that what one connection does reaches another shard's too, however few cores there are.
        command.env("HUBBUB_NODE__SHARDS", "2").envs(setup.env.iter().cloned());
        command.args(setup.dev.then_some("--dev")).arg("--data").arg(setup.folder.path());
        for (flag, port) in ["--public", "--internal"].into_iter().zip(setup.ports) {
            command.arg(flag).arg(format!("127.0.0.1:{port}"));
        }
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let said = Arc::new(Mutex::new(String::new()));
        keep(child.stderr.take().expect("a pipe"), Arc::clone(&said));
        let ready = ready_line(&mut child);
        let address = |name: &str| {
            let field = ready.as_deref().and_then(|line| line.split(' ').find_map(|field| field.strip_prefix(name)));
            field.and_then(|url| url.strip_prefix("=http://")).and_then(|address| address.parse().ok())
        };
        let (Some(public), Some(internal)) = (address("public"), address("internal")) else {
            // The child is a zombie or hangs; either way it must not outlive the test.
            let _ = child.kill();
            panic!("the hub did not become ready: {ready:?}\n{}", text(&said));
        };
        Self { public, internal, setup, child, said }
    }

    /// Where WebSockets connect.
    pub(crate) fn ws(&self) -> String {
        format!("ws://{}/ws", self.public)
    }

    /// How it was started; starting it again finds the same data.
    pub(crate) fn setup(&self) -> Setup {
        self.setup.clone()
    }

    /// The id of the process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to its standard error so far.
    pub(crate) fn said(&self) -> String {
        text(&self.said)
    }

    /// Waits until its log holds a text.
    pub(crate) async fn says(&self, what: &str) {
        let deadline = Instant::now() + WITHIN;
        while !self.said().contains(what) {
            assert!(Instant::now() < deadline, "the hub never said {what:?}, but:\n{}", self.said());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Replaces its configuration file and tells it to reload.
    pub(crate) fn reload(&self, config: &str) {
        std::fs::write(self.setup.config_path(), config).expect("written");
        self.signal("HUP");
    }

    /// Asks it to end in good order.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(sent.expect("kill is there").success(), "SIG{name} was not sent");
    }

    /// Kills it without a warning.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + WITHIN;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < deadline, "the hub does not end:\n{}", self.said());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Memory that the process holds, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(Path::new("/proc").join(self.pid().to_string()).join("status"));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells");
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number") * 1_024
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let said = self.said();
        if std::thread::panicking() {
            eprintln!("--- what the hub said ---\n{said}");
        } else {
            assert!(!said.contains("panicked"), "the hub panicked:\n{said}");
        }
    }
}

fn keep(mut pipe: impl Read + Send + 'static, into: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            into.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    });
}

fn text(said: &Mutex<String>) -> String {
    said.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The first line; `None` when the program ended or took too long.
fn ready_line(child: &mut Child) -> Option<String> {
    let (sender, receiver) = mpsc::channel();
    let mut lines = BufReader::new(child.stdout.take()?).lines();
    std::thread::spawn(move || {
        let _ = sender.send(lines.next());
        // What follows is read, so that the program never waits for us.
        lines.for_each(drop);
    });
    receiver.recv_timeout(WITHIN).ok().flatten()?.ok()
}

/// Now, in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64
}

/// A token of the development key that lives for an hour.
pub(crate) fn token(user: &str) -> String {
    sign(TokenDraft { sub: user.to_owned(), ..TokenDraft::default() })
}

/// A token that allows only this.
pub(crate) fn token_for(user: &str, allow: &[(&str, &[&str])]) -> String {
    let operations = |of: &[&str]| of.iter().map(|operation| (*operation).to_owned()).collect();
    let allow = allow.iter().map(|(pattern, of)| ((*pattern).to_owned(), operations(of))).collect();
    sign(TokenDraft { sub: user.to_owned(), allow: Some(allow), ..TokenDraft::default() })
}

/// Signs a draft with the development key; times that are not set become now and an hour from now.
pub(crate) fn sign(mut draft: TokenDraft) -> String {
    let now = now_ms() / 1_000;
    draft.iat = if draft.iat == 0 { now } else { draft.iat };
    draft.exp = if draft.exp == 0 { now + 3_600 } else { draft.exp };
    draft.sign(&Config::development().tenants[0].token_keys[0]).expect("signed")
}
