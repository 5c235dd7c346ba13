//! HTML to text in one pass: blocks become lines, quotations get `>`, marked signatures get `--`, hidden and
//! executable content is left out. Understands broken markup; loses no visible words.

use super::super::text::entity;

/// Elements whose content is no text.
const SKIPPED: &[&str] =
    &["script", "style", "title", "template", "svg", "math", "object", "select", "textarea", "xml"];
const PARAGRAPHS: &[&str] =
    &["p", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "pre", "blockquote", "hr"];
const LINES: &[&str] = &[
    "br", "div", "tr", "li", "section", "article", "header", "footer", "aside", "main", "center", "form",
    "dt", "dd",
];
const VOID: &[&str] = &["br", "hr", "img", "input", "meta", "link", "wbr", "col", "area", "base", "source"];
const SIGNATURES: &[&str] = &[
    "gmail_signature",
    "moz-signature",
    "\"signature\"",
    "ms-outlook-mobile-signature",
    "applemailsignature",
];

/// Characters of a tag in which a quoted `>` is understood; behind them the first `>` ends the tag.
const MAX_QUOTED: usize = 1_000;

/// Whether a text is HTML rather than words with a `<` in them.
pub(crate) fn looks_like_html(text: &str) -> bool {
    let Some(at) = text.find('<') else { return false };
    let lower = text.get(at..).unwrap_or_default().to_ascii_lowercase();
    let closed = |name: &str| lower.contains(&format!("<{name}")) && lower.contains(&format!("</{name}>"));
    ["html", "body", "div", "p", "span", "table", "blockquote", "b", "i", "strong", "em", "a", "ul", "font"]
        .iter()
        .any(|name| closed(name))
        || ["<br>", "<br/>", "<br />", "<p>"].iter().any(|tag| lower.contains(tag))
}

/// The visible words.
pub(crate) fn to_text(html: &str) -> String {
    let visible = render(html, true);
    // Markup that hides everything is broken markup.
    if visible.trim().is_empty() { render(html, false) } else { visible }
}

fn render(html: &str, hide: bool) -> String {
    let lower = html.to_ascii_lowercase();
    let mut page = Page::default();
    // What is known to have no end any more, so that nothing is searched for twice.
    let mut never_closed: Vec<&str> = Vec::new();
    let last_comment_end = html.rfind("-->");
    let last_tag_end = html.rfind('>');
    // The name of the hidden element, and how many of that name are open in it.
    let mut hidden: Option<(String, usize)> = None;
    let mut at = 0;
    while let Some(rest) = html.get(at..).filter(|rest| !rest.is_empty()) {
        if !rest.starts_with('<') {
            let length = rest.find('<').unwrap_or(rest.len());
            if hidden.is_none() {
                page.words(rest.get(..length).unwrap_or_default());
            }
            at += length;
            continue;
        }
        if rest.starts_with("<!--") && last_comment_end.is_some_and(|last| last >= at) {
            at += rest.find("-->").map_or(rest.len(), |end| end + 3);
            continue;
        }
        let ends = last_tag_end.is_some_and(|last| last > at);
        let tag = if ends { Tag::read(lower.get(at..).unwrap_or_default()) } else { None };
        let Some(tag) = tag else {
            if hidden.is_none() {
                page.words("<");
            }
            at += 1;
            continue;
        };
        at += tag.length;
        if let Some(name) = SKIPPED.iter().find(|name| **name == tag.name) {
            if !tag.closing && !tag.self_closing && !never_closed.contains(name) {
                match lower.get(at..).and_then(|tail| tail.find(&format!("</{name}"))) {
                    Some(end) => at += end,
                    None => never_closed.push(name),
                }
            }
            continue;
        }
        let open = !tag.closing && !tag.self_closing && !VOID.contains(&tag.name);
        if let Some((name, depth)) = &mut hidden {
            if *name == tag.name {
                *depth = if tag.closing { depth.saturating_sub(1) } else { *depth + usize::from(open) };
                if *depth == 0 {
                    hidden = None;
                }
            }
            continue;
        }
        if hide && open && tag.is_hidden() {
            hidden = Some((tag.name.to_owned(), 1));
            continue;
        }
        page.tag(&tag);
    }
    page.out
}

/// A tag, in lower case.
struct Tag<'a> {
    name: &'a str,
    attributes: &'a str,
    closing: bool,
    self_closing: bool,
    length: usize,
}

impl<'a> Tag<'a> {
    /// Reads a tag at the start of `lower`; `None` when the `<` is only a sign.
    fn read(lower: &'a str) -> Option<Self> {
        let body = lower.strip_prefix('<')?;
        if body.starts_with(['!', '?']) {
            let length = lower.find('>').map_or(lower.len(), |end| end + 1);
            return Some(Self { name: "!", attributes: "", closing: false, self_closing: true, length });
        }
        let closing = body.starts_with('/');
        let body = body.strip_prefix('/').unwrap_or(body);
        if !body.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let name_length = body.find(|c: char| !c.is_ascii_alphanumeric() && c != ':').unwrap_or(body.len());
        let (name, rest) = body.split_at(name_length);
        // `<mario@example.org>` is an address, not a tag.
        if !(rest.is_empty() || rest.starts_with(['>', '/', ' ', '\n', '\r', '\t'])) {
            return None;
        }
        let mut quote = None;
        let end = rest.char_indices().take(MAX_QUOTED).find(|(_, c)| match (quote, *c) {
            (None, '>') => true,
            (None, '"' | '\'') => {
                quote = Some(*c);
                false
            }
            (Some(open), c) if open == c => {
                quote = None;
                false
            }
            _ => false,
        });
        // A quote that never closes ends with the tag's first `>`.
        let end = end.map(|(index, _)| index).or_else(|| rest.find('>'));
        let attributes = rest.get(..end.unwrap_or(0)).unwrap_or_default();
        let head = 1 + usize::from(closing) + name_length;
        Some(Self {
            name,
            attributes,
            closing,
            self_closing: attributes.ends_with('/'),
            length: end.map_or(head, |end| head + end + 1),
        })
    }

    fn is_hidden(&self) -> bool {
        let style: String = self.attributes.chars().filter(|c| !c.is_whitespace()).collect();
        style.contains("display:none")
            || style.contains("visibility:hidden")
            || style.contains("mso-hide:all")
    }

    fn opens_signature(&self) -> bool {
        !self.closing && SIGNATURES.iter().any(|mark| self.attributes.contains(mark))
    }
}

/// Text being laid out.
#[derive(Default)]
struct Page {
    out: String,
    quotes: usize,
    preformatted: usize,
    /// Line ends owed before the next word.
    breaks: usize,
    space: bool,
}

impl Page {
    fn tag(&mut self, tag: &Tag<'_>) {
        if tag.opens_signature() {
            self.breaks = self.breaks.max(1);
            self.push('-');
            self.push('-');
            self.breaks = 1;
        }
        if PARAGRAPHS.contains(&tag.name) {
            self.breaks = self.breaks.max(2);
        } else if tag.name == "br" {
            self.breaks = (self.breaks + 1).min(3);
        } else if LINES.contains(&tag.name) {
            self.breaks = self.breaks.max(1);
        } else if matches!(tag.name, "td" | "th") {
            self.space = true;
        }
        match (tag.name, tag.closing) {
            ("blockquote", false) => self.quotes += 1,
            ("blockquote", true) => self.quotes = self.quotes.saturating_sub(1),
            ("pre", false) => self.preformatted += 1,
            ("pre", true) => self.preformatted = self.preformatted.saturating_sub(1),
            ("li", false) => {
                self.push('-');
                self.space = true;
            }
            _ => {}
        }
    }

    fn words(&mut self, text: &str) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let mut length = c.len_utf8();
            let decoded = if c == '&' {
                let end = rest.bytes().take(34).position(|byte| byte == b';');
                let token = end.and_then(|end| rest.get(..=end));
                token.and_then(|token| entity(token).inspect(|_| length = token.len()))
            } else {
                None
            };
            match decoded.unwrap_or(c) {
                '\n' if self.preformatted > 0 => self.breaks = (self.breaks + 1).min(3),
                ' ' | '\n' | '\r' | '\t' | '\u{A0}' => self.space = true,
                c => self.push(c),
            }
            rest = rest.get(length..).unwrap_or_default();
        }
    }

    fn push(&mut self, c: char) {
        if self.breaks > 0 || self.out.is_empty() {
            for _ in 0..if self.out.is_empty() { 0 } else { self.breaks } {
                self.out.push('\n');
            }
            for _ in 0..self.quotes.min(3) {
                self.out.push_str("> ");
            }
        } else if self.space {
            self.out.push(' ');
        }
        self.breaks = 0;
        self.space = false;
        self.out.push(c);
    }
}
