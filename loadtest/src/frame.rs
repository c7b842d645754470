//! WebSocket frames in a buffer: headers of the hub's frames are read in place, client frames are made once.
//! Knows of the content only where to find the offset.

/// A text frame.
pub const TEXT: u8 = 1;
/// A frame of bytes.
pub const BINARY: u8 = 2;
/// A close frame.
pub const CLOSE: u8 = 8;
/// A ping of the WebSocket itself.
pub const PING: u8 = 9;
/// Its answer.
pub const PONG: u8 = 10;

/// How a buffer begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scan<'a> {
    /// With a whole frame of `length` bytes, header included.
    Frame {
        /// The opcode.
        opcode: u8,
        /// What it carries.
        payload: &'a [u8],
        /// How long it is.
        length: usize,
    },
    /// With a part of a frame: at least so many bytes are needed to go on.
    Partial(usize),
    /// With something that a hub may not send: masked, fragmented or enormous.
    Broken,
}

/// Largest payload that a hub may send here, in bytes.
const PAYLOAD_MAX: usize = 16 * 1024 * 1024;

/// Reads the frame at the beginning of the buffer.
#[inline]
pub fn scan(buffer: &[u8]) -> Scan<'_> {
    let [first, second, rest @ ..] = buffer else { return Scan::Partial(2) };
    let (opcode, whole) = (first & 0x0f, first & 0xf0 == 0x80);
    if !whole || second & 0x80 != 0 {
        return Scan::Broken;
    }
    let (header, size) = match (second & 0x7f, rest) {
        (126, [a, b, ..]) => (4, usize::from(u16::from_be_bytes([*a, *b]))),
        (126, _) => return Scan::Partial(4),
        (127, [a, b, c, d, e, f, g, h, ..]) => {
            let size = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
            (10, usize::try_from(size).unwrap_or(usize::MAX))
        }
        (127, _) => return Scan::Partial(10),
        (size, _) => (2, usize::from(size)),
    };
    if size > PAYLOAD_MAX {
        return Scan::Broken;
    }
    match buffer.get(header..header + size) {
        Some(payload) => Scan::Frame { opcode, payload, length: header + size },
        None => Scan::Partial(header + size),
    }
}

/// What came and is not a whole head or frame yet.
#[derive(Debug, Default)]
pub struct Carry(Vec<u8>);

impl Carry {
    /// Collects the head of an HTTP answer; gives it and what stands behind it when it is whole.
    pub fn head<'a>(&mut self, bytes: &'a [u8]) -> Option<(Vec<u8>, &'a [u8])> {
        let before = self.0.len();
        self.0.extend_from_slice(bytes);
        let end = self.0.windows(4).position(|window| window == b"\r\n\r\n")?;
        Some((std::mem::take(&mut self.0), &bytes[end + 4 - before..]))
    }

    /// Hands over opcode and payload of each whole frame until it is told to stop, and keeps the rest. `false` when a
    /// frame was broken.
    #[inline]
    pub fn frames(&mut self, mut bytes: &[u8], mut take: impl FnMut(u8, &[u8]) -> bool) -> bool {
        while !self.0.is_empty() && !bytes.is_empty() {
            let needed = match scan(&self.0) {
                Scan::Partial(needed) => needed - self.0.len(),
                // A whole or broken frame is never left here.
                _ => 0,
            };
            let (part, rest) = bytes.split_at(needed.min(bytes.len()));
            self.0.extend_from_slice(part);
            bytes = rest;
            let go_on = match scan(&self.0) {
                Scan::Frame { opcode, payload, .. } => take(opcode, payload),
                Scan::Partial(_) => continue,
                Scan::Broken => return false,
            };
            self.0.clear();
            if !go_on {
                return true;
            }
        }
        while !bytes.is_empty() {
            match scan(bytes) {
                Scan::Frame { opcode, payload, length } => {
                    if !take(opcode, payload) {
                        return true;
                    }
                    bytes = &bytes[length..];
                }
                Scan::Partial(_) => {
                    self.0.extend_from_slice(bytes);
                    return true;
                }
                Scan::Broken => return false,
            }
        }
        if self.0.is_empty() {
            // Idle people keep nothing.
            self.0 = Vec::new();
        }
        true
    }
}

/// Makes a client frame. The mask is zero, which masks nothing and is allowed.
pub fn client_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        size @ 0..=125 => frame.push(0x80 | size as u8),
        size @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(size as u16).to_be_bytes());
        }
        size => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(size as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// Makes a frame as a hub sends it.
pub fn server_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = client_frame(opcode, payload);
    let mask_at = frame.len() - payload.len() - 4;
    frame.drain(mask_at..mask_at + 4);
    frame[1] &= 0x7f;
    frame
}

/// Whether a text frame is a `message`.
#[inline]
pub fn is_message(payload: &[u8]) -> bool {
    payload.starts_with(br#"{"type":"message""#)
}

/// The names, ids and numbers before the offset of a message fit into so many bytes.
const OFFSET_WITHIN: usize = 512;

/// The number behind `"<name>":`, which stands near the beginning of a frame of the hub. `hint` is where it was
/// found last: frames of one channel are alike.
#[inline]
pub fn number(payload: &[u8], name: &[u8], hint: &mut usize) -> Option<u64> {
    if !payload.get(*hint..).is_some_and(|rest| rest.starts_with(name)) {
        let near = &payload[..payload.len().min(OFFSET_WITHIN)];
        *hint = near.windows(name.len()).position(|window| window == name)?;
    }
    digits(&payload[*hint + name.len()..])
}

/// The number that the bytes begin with.
#[inline]
pub fn digits(bytes: &[u8]) -> Option<u64> {
    let mut number = None;
    for byte in bytes.iter().take(20).take_while(|byte| byte.is_ascii_digit()) {
        number = Some(number.unwrap_or(0u64).checked_mul(10)?.checked_add(u64::from(byte - b'0'))?);
    }
    number
}

/// The code in the payload of a close frame.
pub fn close_code(payload: &[u8]) -> Option<u16> {
    payload.first_chunk().map(|code| u16::from_be_bytes(*code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_size_are_found_and_cut_ones_are_waited_for() {
        for size in [0, 1, 125, 126, 127, 0xffff, 0x10000] {
            let payload = vec![b'x'; size];
            let frame = server_frame(TEXT, &payload);
            let expected = Scan::Frame { opcode: TEXT, payload: &payload, length: frame.len() };
            assert_eq!(scan(&frame), expected);
            for cut in 0..frame.len().min(20) {
                let Scan::Partial(needed) = scan(&frame[..cut]) else { panic!("{size} cut at {cut}") };
                assert!(cut < needed && needed <= frame.len(), "{size} cut at {cut} needs {needed}");
            }
        }
    }

    #[test]
    fn what_a_hub_may_not_send_is_broken() {
        let masked = client_frame(TEXT, b"x");
        let mut fragment = server_frame(TEXT, b"x");
        fragment[0] &= 0x7f;
        let enormous = [0x81, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        for broken in [&masked[..], &fragment, &enormous] {
            assert_eq!(scan(broken), Scan::Broken);
        }
    }

    #[test]
    fn the_offset_is_found_where_the_codec_puts_it() {
        const NAME: &[u8] = br#""offset":"#;
        let frame = |channel: &str, offset| {
            format!(r#"{{"type":"message","channel":"{channel}","epoch":"1","offset":{offset},"data":{{"offset":9}}}}"#)
        };
        let mut hint = 0;
        for (channel, offset) in [("live:a", 7), ("live:a", 1_234_567), ("live:other", 8), ("live:a", 9)] {
            let text = frame(channel, offset);
            assert!(is_message(text.as_bytes()));
            assert_eq!(number(text.as_bytes(), NAME, &mut hint), Some(offset));
        }
        assert_eq!(number(b"{}", NAME, &mut hint), None);
        assert_eq!(digits(b"x"), None);
        assert_eq!(digits(b"99999999999999999999999"), None);
    }

    #[test]
    fn client_frames_carry_their_text_behind_a_mask_of_zeros() {
        assert_eq!(client_frame(TEXT, b"hi"), b"\x81\x82\0\0\0\0hi");
        assert_eq!(close_code(b"\x0f\xa1too slow"), Some(4001));
    }
}
