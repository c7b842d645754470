//! Certificates of a private authority for 127.0.0.1, made by the `openssl` command.

use std::path::PathBuf;
use std::process::Command;

use crate::error::Error;
use crate::folder::Folder;
use crate::program::{self, Account};

/// Where they are.
#[derive(Debug)]
pub(super) struct Certificates {
    /// The certificate of the authority.
    pub(super) authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Certificates {
    pub(super) fn make(folder: &Folder) -> Result<Self, Error> {
        let openssl = program::find("openssl")?;
        let [authority, authority_key, certificate, key, request] =
            ["ca.crt", "ca.key", "redis.crt", "redis.key", "redis.csr"].map(|name| folder.file(name));
        let extensions = folder.write("redis.ext", "subjectAltName=IP:127.0.0.1,DNS:localhost\n", Account::Ours)?;
        let new_key = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-batch"];

        let mut command = Command::new(&openssl);
        command.args(new_key).args(["-x509", "-days", "2", "-subj", "/CN=hubbub-local authority"]);
        command.arg("-keyout").arg(&authority_key).arg("-out").arg(&authority);
        program::run(&mut command)?;

        let mut command = Command::new(&openssl);
        command.args(new_key).args(["-subj", "/CN=127.0.0.1"]);
        command.arg("-keyout").arg(&key).arg("-out").arg(&request);
        program::run(&mut command)?;

        let mut command = Command::new(&openssl);
        command.args(["x509", "-req", "-days", "2", "-CAcreateserial"]).arg("-in").arg(&request);
        command.arg("-CA").arg(&authority).arg("-CAkey").arg(&authority_key);
        command.arg("-extfile").arg(&extensions).arg("-out").arg(&certificate);
        program::run(&mut command)?;
        Ok(Self { authority, certificate, key })
    }

    /// What the server is told of them.
    pub(super) fn directives(&self) -> String {
        format!(
            "tls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\ntls-auth-clients no\ntls-replication yes\n",
            self.certificate.display(),
            self.key.display(),
            self.authority.display()
        )
    }
}
