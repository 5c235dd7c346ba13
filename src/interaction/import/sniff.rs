//! Which format a file is, by its name or by how it begins.

use super::MboxSplitter;

/// Formats that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One e-mail.
    Eml,
    /// A mailbox.
    Mbox,
    /// A table with a heading.
    Csv,
    /// WebVTT.
    Vtt,
    /// SubRip.
    Srt,
    /// JSON of one of the systems below, by its content.
    Json,
    /// Segments of a Whisper program.
    Whisper,
    /// Amazon Transcribe Call Analytics.
    Transcribe,
    /// Amazon Connect Contact Lens.
    ContactLens,
    /// Conversations and messages of Chatwoot.
    Chatwoot,
    /// Interactions already.
    Interactions,
}

/// By the ending of the name, else by the first bytes; none when neither tells.
pub fn sniff(ending: Option<&str>, head: &[u8]) -> Option<Format> {
    match ending.map(str::to_ascii_lowercase).as_deref() {
        Some("eml") => return Some(Format::Eml),
        Some("mbox" | "mbx") => return Some(Format::Mbox),
        Some("csv" | "tsv") => return Some(Format::Csv),
        Some("vtt") => return Some(Format::Vtt),
        Some("srt") => return Some(Format::Srt),
        Some("json" | "jsonl" | "ndjson") => return Some(Format::Json),
        _ => {}
    }
    let head = head.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(head);
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let first = lines.next().unwrap_or_default();
    if MboxSplitter::opens(first) {
        return Some(Format::Mbox);
    }
    if first.starts_with(b"WEBVTT") {
        return Some(Format::Vtt);
    }
    if lines.next().is_some_and(|second| second.windows(3).any(|three| three == b"-->")) {
        return Some(Format::Srt);
    }
    if head.trim_ascii_start().starts_with(b"{") || head.trim_ascii_start().starts_with(b"[") {
        return Some(Format::Json);
    }
    let name = first.split(|byte| *byte == b':').next().unwrap_or_default();
    let header = name.len() < first.len()
        && !name.is_empty()
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    header.then_some(Format::Eml)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_name_and_by_content() {
        let check = |ending, head: &str, wanted| assert_eq!(sniff(ending, head.as_bytes()), wanted, "{head}");
        check(Some("EML"), "", Some(Format::Eml));
        check(Some("tsv"), "", Some(Format::Csv));
        check(None, "From a@b.example Thu May 14 18:45:00 2026\n", Some(Format::Mbox));
        check(Some("txt"), "\u{FEFF}WEBVTT\n", Some(Format::Vtt));
        check(None, "1\r\n00:00:01,000 --> 00:00:02,000\r\nHi", Some(Format::Srt));
        check(None, "Return-Path: <a@b.example>\n", Some(Format::Eml));
        check(Some("jsonl"), "", Some(Format::Json));
        check(None, "\n [{\"text\": 1}]", Some(Format::Json));
        check(None, "just words\nand more", None);
        check(None, "", None);
    }
}
