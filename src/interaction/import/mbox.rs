//! Mailboxes in the mbox formats: messages after a line `From …`, in whose bodies such lines are quoted with `>` (mboxrd,
//! and mboxo where it quotes once). Works line by line and keeps one message.

use chrono::{DateTime, NaiveDateTime, Utc};

/// A message out of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MboxMessage {
    /// Its place in the mailbox, from 1.
    pub number: u64,
    /// RFC 5322 with the quoting undone; nothing when it was longer than allowed.
    pub raw: Option<Vec<u8>>,
    /// When it came in, by the line before it.
    pub received: Option<DateTime<Utc>>,
}

/// Takes the lines of a mailbox and gives its messages.
#[derive(Debug)]
pub struct MboxSplitter {
    limit: usize,
    number: u64,
    message: Option<MboxMessage>,
    after_blank: bool,
}

impl MboxSplitter {
    /// For messages of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, number: 0, message: None, after_blank: true }
    }

    /// Whether a mailbox may begin with this line.
    pub fn opens(line: &[u8]) -> bool {
        separator(line).is_some()
    }

    /// Takes the next line without its end; none stands for one too long to be kept. Gives the message that ended before it.
    pub fn push(&mut self, line: Option<&[u8]>) -> Option<MboxMessage> {
        let after_blank = std::mem::replace(&mut self.after_blank, line.is_some_and(<[u8]>::is_empty));
        let Some(line) = line else {
            if let Some(message) = &mut self.message {
                message.raw = None;
            }
            return None;
        };
        if after_blank && let Some(received) = separator(line) {
            let ended = self.end();
            self.number += 1;
            self.message = Some(MboxMessage { number: self.number, raw: Some(Vec::new()), received });
            return ended;
        }
        let message = self.message.as_mut()?;
        let raw = message.raw.as_mut()?;
        if raw.len() + line.len() + 1 > self.limit {
            message.raw = None;
            return None;
        }
        raw.extend_from_slice(unquoted(line));
        raw.push(b'\n');
        None
    }

    /// The message that is open, at the end of the mailbox.
    pub fn end(&mut self) -> Option<MboxMessage> {
        let mut message = self.message.take()?;
        // The blank line before the next message is the mailbox's, not the message's.
        if let Some(raw) = &mut message.raw
            && raw.ends_with(b"\n\n")
        {
            raw.pop();
        }
        Some(message)
    }
}

/// Without one `>` of a line that would otherwise begin a message.
fn unquoted(line: &[u8]) -> &[u8] {
    let quotes = line.iter().take_while(|byte| **byte == b'>').count();
    match line.get(quotes..) {
        Some(rest) if quotes > 0 && rest.starts_with(b"From ") => line.get(1..).unwrap_or_default(),
        _ => line,
    }
}

/// For a line `From ADDRESS DATE`, its date where it can be read. A sentence that begins with the word has no time of day
/// and year.
#[expect(clippy::option_option, reason = "a separator may have a date that cannot be read")]
fn separator(line: &[u8]) -> Option<Option<DateTime<Utc>>> {
    let rest = std::str::from_utf8(line.strip_prefix(b"From ")?).ok()?;
    let words: Vec<&str> = rest.split_whitespace().collect();
    let clock = words.iter().position(|word| {
        let mut parts = word.split(':');
        let two = |part: Option<&str>| {
            part.is_some_and(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()))
        };
        two(parts.next()) && two(parts.next())
    })?;
    let year = words.iter().skip(clock + 1).find(|word| word.len() == 4 && word.parse::<u16>().is_ok())?;
    let offset = words.iter().skip(clock + 1).find(|word| word.len() == 5 && word.starts_with(['+', '-']));
    let date = || {
        let (month, day) = (words.get(clock.checked_sub(2)?)?, words.get(clock.checked_sub(1)?)?);
        let seconds = if words.get(clock)?.len() == 5 { ":00" } else { "" };
        let text = format!("{year} {month} {day} {}{seconds}", words.get(clock)?);
        let form = "%Y %b %d %H:%M:%S";
        match offset {
            Some(offset) => DateTime::parse_from_str(&format!("{text} {offset}"), &format!("{form} %z"))
                .ok()
                .map(|time| time.to_utc()),
            None => NaiveDateTime::parse_from_str(&text, form).ok().map(|time| time.and_utc()),
        }
    };
    Some(date())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str, limit: usize) -> Vec<MboxMessage> {
        let mut splitter = MboxSplitter::new(limit);
        let mut found: Vec<_> =
            text.lines().filter_map(|line| splitter.push(Some(line.as_bytes()))).collect();
        found.extend(splitter.end());
        found
    }

    fn raw(message: &MboxMessage) -> &str {
        std::str::from_utf8(message.raw.as_deref().unwrap()).unwrap()
    }

    #[test]
    fn messages_dates_and_quoting() {
        let found = split(
            "From a@b.example Thu May 14 18:45:00 2026\nSubject: one\n\n>From here on\n>>From deeper\n> quoted\n\n\
             From - Sat Jan 03 01:02:03 +0200 2026\nSubject: two\n\nFrom my side all is well\nbye\n",
            1000,
        );
        assert_eq!(found.len(), 2);
        assert_eq!(raw(&found[0]), "Subject: one\n\nFrom here on\n>From deeper\n> quoted\n");
        assert_eq!(found[0].received.unwrap().to_rfc3339(), "2026-05-14T18:45:00+00:00");
        assert_eq!(raw(&found[1]), "Subject: two\n\nFrom my side all is well\nbye\n");
        assert_eq!(found[1].received.unwrap().to_rfc3339(), "2026-01-02T23:02:03+00:00");
        assert_eq!(found[1].number, 2);
    }

    #[test]
    fn a_long_message_is_told_and_the_next_one_is_whole() {
        let found = split("From a x 10:00:00 2026\nlong line here\n\nFrom b x 10:00 2026\nok\n", 8);
        assert_eq!((found[0].raw.as_deref(), found[0].received), (None, None));
        assert_eq!(raw(&found[1]), "ok\n");
        let mut splitter = MboxSplitter::new(8);
        splitter.push(Some(b"From a x 10:00:00 2026"));
        splitter.push(None);
        assert_eq!(splitter.end().unwrap().raw, None);
    }

    #[test]
    fn what_is_no_mailbox() {
        assert!(split("Subject: x\n\nhello\n", 99).is_empty());
        assert!(!MboxSplitter::opens(b"From now on I want answers"));
        assert!(!MboxSplitter::opens(b"From \xff 10:00 2026"));
    }
}
