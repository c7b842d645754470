//! A hub: started for real, ended in each of its ways and brought back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use hubbub_local::Error;
use hubbub_local::hub::{Hub, Options};

#[test]
fn a_hub_comes_back_on_its_ports() -> Result<(), Error> {
    let mut hub = Hub::start(Options::default().env("HUBBUB_NODE__NAME", "one"))?;
    let (public, internal) = (hub.public(), hub.internal());
    assert!(get(internal, "/readyz").contains("200 OK"));
    hub.kill()?;
    assert!(TcpStream::connect(internal).is_err(), "listens although it was killed");
    hub.start_again()?;
    assert_eq!((hub.public(), hub.internal()), (public, internal));
    assert!(get(internal, "/readyz").contains("200 OK"));
    Ok(())
}

#[test]
fn a_hub_that_is_told_to_ends_in_good_order() -> Result<(), Error> {
    let mut hub = Hub::start(Options::default())?;
    assert!(hub.pid().is_some());
    hub.terminate()?;
    assert!(hub.wait()?.is_some_and(|status| status.success()), "{}", hub.log_tail());
    assert!(hub.pid().is_none());
    Ok(())
}

#[test]
fn a_hub_that_can_not_start_says_why() {
    let refused = Hub::start(Options::default().env("HUBBUB_LIMITS__NO_SUCH_KEY", "1"));
    let error = refused.expect_err("started with a key that does not exist");
    assert!(error.to_string().contains("no_such_key"), "{error}");
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut socket = TcpStream::connect(address).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("answered");
    answer
}
