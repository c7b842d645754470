//! Cuts what a WebSocket frame holds into items: one, one per line, or those of the protocol of NATS, which is a stream of bytes
//! that frames may cut anywhere. Knows not what they mean.

use super::description::Framing;

/// One thing that the server says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Item<'a> {
    /// Anything that must be recognised.
    Text(&'a [u8]),
    /// A message whose parts the framing knows.
    Delivered {
        /// The channel.
        channel: &'a [u8],
        /// What was published.
        data: &'a [u8],
    },
}

/// Cuts the frames of one connection.
#[derive(Clone, Debug, Default)]
pub struct Cutter {
    framing: Framing,
    /// What came and is not a whole item yet.
    carry: Vec<u8>,
}

/// Longest item that is waited for, in bytes.
const ITEM_MAX: usize = 16 * 1024 * 1024;
const LINE_END: &[u8] = b"\r\n";

impl Cutter {
    /// For a new connection.
    pub fn new(framing: Framing) -> Self {
        Self { framing, carry: Vec::new() }
    }

    /// Hands over each whole item of a frame. `false` where it is broken.
    pub fn cut(&mut self, payload: &[u8], mut take: impl FnMut(Item<'_>)) -> bool {
        match self.framing {
            Framing::Message => take(Item::Text(payload)),
            Framing::Lines => {
                let lines = payload.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
                lines.filter(|line| !line.is_empty()).for_each(|line| take(Item::Text(line)));
            }
            Framing::Nats => return self.cut_nats(payload, take),
        }
        true
    }

    fn cut_nats(&mut self, payload: &[u8], mut take: impl FnMut(Item<'_>)) -> bool {
        let mut all = std::mem::take(&mut self.carry);
        // Mostly frames are whole, and nothing is copied.
        let mut rest = if all.is_empty() {
            payload
        } else {
            all.extend_from_slice(payload);
            &all
        };
        loop {
            match nats(rest) {
                Some(Ok((item, length))) => {
                    take(item);
                    rest = &rest[length..];
                }
                None if rest.len() <= ITEM_MAX => break,
                _ => return false,
            }
        }
        self.carry = rest.to_vec();
        true
    }
}

/// The first item of the stream and its length; nothing while it is not whole.
fn nats(bytes: &[u8]) -> Option<Result<(Item<'_>, usize), ()>> {
    let end = find(bytes, LINE_END)?;
    let (line, behind) = (&bytes[..end], end + LINE_END.len());
    let Some(parts) = line.strip_prefix(b"MSG ") else { return Some(Ok((Item::Text(line), behind))) };
    // MSG <subject> <sid> [reply-to] <bytes>
    let mut parts = parts.split(|byte| *byte == b' ').filter(|part| !part.is_empty());
    let (Some(channel), Some(size)) = (parts.next(), parts.next_back()) else { return Some(Err(())) };
    let Some(size) = std::str::from_utf8(size).ok().and_then(|size| size.parse::<usize>().ok()) else {
        return Some(Err(()));
    };
    if size > ITEM_MAX {
        return Some(Err(()));
    }
    let length = behind + size + LINE_END.len();
    let data = bytes.get(..length)?;
    if !data.ends_with(LINE_END) {
        return Some(Err(()));
    }
    Some(Ok((Item::Delivered { channel, data: &data[behind..behind + size] }, length)))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(framing: Framing, frames: &[&[u8]]) -> (Vec<String>, bool) {
        let (mut cutter, mut items) = (Cutter::new(framing), Vec::new());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let whole = frames.iter().all(|frame| {
            cutter.cut(frame, |item| {
                items.push(match item {
                    Item::Text(bytes) => text(bytes),
                    Item::Delivered { channel, data } => format!("{} < {}", text(channel), text(data)),
                });
            })
        });
        (items, whole)
    }

    #[test]
    fn the_stream_of_nats_means_the_same_however_it_is_cut() {
        let stream = b"INFO {\"x\":1}\r\nPONG\r\nMSG live:a 1 5\r\na\r\nbc\r\nMSG b 2 reply 0\r\n\r\nPING\r\n";
        let expected = ["INFO {\"x\":1}", "PONG", "live:a < a\r\nbc", "b < ", "PING"];
        for size in 1..=stream.len() {
            let frames: Vec<_> = stream.chunks(size).collect();
            assert_eq!(cut(Framing::Nats, &frames), (expected.map(str::to_owned).to_vec(), true), "parts of {size}");
        }
    }

    #[test]
    fn what_is_not_that_protocol_is_broken() {
        for broken in [&b"MSG a\r\n"[..], b"MSG a 1 x\r\n", b"MSG a 1 99999999999\r\n", b"MSG a 1 1\r\nabcd\r\n"] {
            assert!(!cut(Framing::Nats, &[broken]).1, "{broken:?}");
        }
    }

    #[test]
    fn lines_are_items_and_empty_ones_are_none() {
        assert_eq!(cut(Framing::Lines, &[b"{}\n{\"a\":1}\r\n\n"]).0, ["{}", "{\"a\":1}"]);
        assert_eq!(cut(Framing::Message, &[b"a\nb"]).0, ["a\nb"]);
    }
}
