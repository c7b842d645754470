//! How a request proves who made it: a signature with a shared secret, and the digest of a body. The hashes are those that the
//! protocols name; MD5 protects nothing here.

use std::fmt::Write;

use aws_lc_rs::hmac;
use md5::{Digest, Md5};

/// HMAC-SHA256 of a text, in hexadecimal digits.
pub fn signature(secret: &str, text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hexadecimal(hmac::sign(&key, text.as_bytes()).as_ref())
}

/// The MD5 of a body, in hexadecimal digits.
pub fn md5(body: &str) -> String {
    hexadecimal(&Md5::digest(body.as_bytes()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a String can not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_pushers_documentation_comes_out() {
        // "Generating authentication signatures" and "Private channels" there.
        let body = r#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;
        assert_eq!(md5(body), "ec365a775a4cd0599faeb73354201b6f");
        let query = "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0\
                     &body_md5=ec365a775a4cd0599faeb73354201b6f";
        let text = format!("POST\n/apps/3/events\n{query}");
        let expected = "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c";
        assert_eq!(signature("7ad3773142a6692b25b8", &text), expected);
        let private = "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4";
        assert_eq!(signature("7ad3773142a6692b25b8", "1234.1234:private-foobar"), private);
    }
}
