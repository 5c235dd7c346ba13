//! Colours of people's output. Streams of `anstream` drop them where they do not belong.

use anstyle::{AnsiColor, Style};

/// Headings.
pub const HEADING: Style = Style::new().bold();
/// What matters less.
pub const DIM: Style = Style::new().dimmed();
/// Good.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Worth a look.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// Bad.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Words that carried something.
pub const MARK: Style = AnsiColor::Yellow.on_default().bold();
/// Words that helped to carry it.
pub const FAINT_MARK: Style = Style::new().underline();
/// What to do.
pub const HINT: Style = AnsiColor::Cyan.on_default();

/// The text in that style.
pub fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
