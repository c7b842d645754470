//! nginx that ends TLS in front of a server, as it stands in front of many; with a certificate of its own for `localhost`.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::Server;

/// A running nginx. Killed when dropped.
pub(crate) struct Front {
    nginx: Child,
    /// Where its certificate lies.
    pub(crate) folder: TempDir,
    /// The port in front of the WebSockets.
    pub(crate) socket: u16,
    /// The port in front of the requests.
    pub(crate) http: u16,
}

const CERTIFICATE: &str = "[req]\ndistinguished_name = name\nx509_extensions = extensions\nprompt = no\n[name]\nCN = localhost\n\
                           [extensions]\nbasicConstraints = critical, CA:FALSE\nsubjectAltName = DNS:localhost\n";

impl Front {
    pub(crate) fn start(server: &Server) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        make_certificate(folder.path());
        let (socket, http) = (free_port(), free_port());
        let at = |port: u16, to: SocketAddr| {
            format!(
                "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate certificate.pem; ssl_certificate_key key.pem;\n\
                 location / {{ proxy_pass http://{to}; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;\n\
                 proxy_set_header Connection $http_connection; proxy_read_timeout 60s; }} }}\n"
            )
        };
        let path = folder.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("{name}_temp_path {path}/{name};\n"))
            .collect();
        // One process, so that it ends as one.
        let text = format!(
            "daemon off;\nmaster_process off;\npid {path}/nginx.pid;\nerror_log stderr notice;\nevents {{}}\n\
             http {{\naccess_log off;\n{temporary}{}{}}}\n",
            at(socket, server.socket),
            at(http, server.http)
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, text).expect("written");
        let program = if Path::new("/usr/sbin/nginx").is_file() { "/usr/sbin/nginx" } else { "nginx" };
        let mut command = Command::new(program);
        command
            .args(["-e", "stderr", "-p"])
            .arg(folder.path())
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        let mut front = Self { nginx: command.spawn().expect("nginx is installed"), folder, socket, http };
        front.until_it_listens();
        front
    }

    /// What it says next after it has begun to listen is how it will wait for events.
    fn until_it_listens(&mut self) {
        let mut lines = BufReader::new(self.nginx.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let mut said = Vec::new();
        let listens = lines.by_ref().inspect(|line| said.push(line.clone())).any(|line| line.contains("event method"));
        assert!(listens, "nginx ended: {said:?}");
        // Whatever it says later is read away, or it would block.
        std::thread::spawn(move || lines.for_each(drop));
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.nginx.kill();
        let _ = self.nginx.wait();
    }
}

fn make_certificate(folder: &Path) {
    std::fs::write(folder.join("openssl.conf"), CERTIFICATE).expect("written");
    let mut command = Command::new("openssl");
    command.current_dir(folder).args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]);
    command.args(["-days", "2", "-config", "openssl.conf", "-keyout", "key.pem", "-out", "certificate.pem"]);
    let made = command.output().expect("openssl is installed");
    assert!(made.status.success(), "{made:?}");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}
