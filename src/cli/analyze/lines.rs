//! Reads a stream line by line without ever holding more than the longest line allowed.

use std::io::{self, BufRead};

/// A line of input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Without its line end. The bytes may be anything.
    Whole(Vec<u8>),
    /// Longer than allowed; its bytes were read and let go.
    TooLong {
        /// Bytes it had.
        bytes: usize,
    },
}

/// The next line of at most `limit` bytes, line end not counted; `None` at the end. `read` counts every byte taken.
pub fn next_line(reader: &mut impl BufRead, limit: usize, read: &mut u64) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    let mut bytes = 0;
    let mut any = false;
    loop {
        let chunk = match reader.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if chunk.is_empty() {
            break;
        }
        any = true;
        let (part, used, ended) = match chunk.iter().position(|byte| *byte == b'\n') {
            Some(at) => (&chunk[..at], at + 1, true),
            None => (chunk, chunk.len(), false),
        };
        bytes += part.len();
        // One byte more than allowed is kept, so that a carriage return at the limit can still be cut off.
        let room = (limit + 1).saturating_sub(line.len());
        line.extend_from_slice(&part[..part.len().min(room)]);
        reader.consume(used);
        *read += used as u64;
        if ended {
            break;
        }
    }
    if !any {
        return Ok(None);
    }
    if bytes == line.len() && line.last() == Some(&b'\r') {
        line.pop();
        bytes -= 1;
    }
    Ok(Some(if bytes > limit { Line::TooLong { bytes } } else { Line::Whole(line) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8], limit: usize, expected: &[Line]) {
        for buffer in [1, 3, 64] {
            let mut reader = io::BufReader::with_capacity(buffer, input);
            let (mut lines, mut read) = (Vec::new(), 0);
            while let Some(line) = next_line(&mut reader, limit, &mut read).unwrap() {
                lines.push(line);
            }
            assert_eq!(lines, expected, "buffer of {buffer}");
            assert_eq!(read, input.len() as u64);
        }
    }

    fn whole(text: &str) -> Line {
        Line::Whole(text.as_bytes().to_vec())
    }

    #[test]
    fn lines_end_with_or_without_carriage_return() {
        check(b"", 9, &[]);
        check(b"one\ntwo", 9, &[whole("one"), whole("two")]);
        check(b"one\r\n\ntwo\n", 9, &[whole("one"), whole(""), whole("two")]);
        check(b"a\rb\n", 9, &[whole("a\rb")]);
        check(b"\xff\xfe\n", 9, &[Line::Whole(vec![0xff, 0xfe])]);
    }

    #[test]
    fn a_line_over_the_limit_is_counted_and_let_go() {
        check(b"123456\n12345\nab\n", 5, &[Line::TooLong { bytes: 6 }, whole("12345"), whole("ab")]);
        check(b"12345\r\n", 5, &[whole("12345")]);
        check(b"1234567890123", 5, &[Line::TooLong { bytes: 13 }]);
    }
}
