//! A program that is killed leaves nothing behind: neither processes nor folders nor shared memory. Method: this test runs
//! itself again as that program.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hubbub_local::Error;
use hubbub_local::postgres::{self, Postgres};
use hubbub_local::redis::{self, Standalone};

/// Set for the program that will be killed.
const VICTIM: &str = "HUBBUB_LOCAL_VICTIM";
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_killed_program_leaves_nothing_behind() -> Result<(), Error> {
    if std::env::var_os(VICTIM).is_some() {
        return be_the_victim();
    }
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command.args(["--exact", "a_killed_program_leaves_nothing_behind", "--nocapture"]).env(VICTIM, "1");
    let mut victim = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
    let mut output = BufReader::new(victim.stdout.take().expect("piped")).lines();
    let line = output
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.split_once("servers: ").map(|(_, rest)| rest.to_owned()));
    let line = line.expect("it says what it runs");
    let [redis, postgres, folder] = line.split(' ').collect::<Vec<_>>().try_into().expect("three words");
    let ports = [redis, postgres].map(|port| port.parse::<u16>().expect("a port"));
    for port in ports {
        TcpStream::connect(("127.0.0.1", port)).expect("it runs");
    }
    victim.kill().expect("killed");
    victim.wait().expect("waited for");

    let deadline = Instant::now() + PATIENCE;
    let there = || {
        std::path::Path::new(folder).exists()
            || ports.iter().any(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
    };
    while there() {
        assert!(Instant::now() < deadline, "still there: {line}");
        std::thread::yield_now();
    }
    Ok(())
}

/// Starts servers, says which, and waits for the end.
#[expect(clippy::print_stdout, reason = "that is how the test learns what runs")]
fn be_the_victim() -> Result<(), Error> {
    let redis = Standalone::start(redis::Options::default())?;
    let postgres = Postgres::start(postgres::Options::default())?;
    println!("servers: {} {} {}", redis.port(), postgres.port(), postgres.folder().display());
    let mut nothing = Vec::new();
    // Ends only if the test itself was killed.
    let _ = std::io::stdin().read_to_end(&mut nothing);
    Ok(())
}
