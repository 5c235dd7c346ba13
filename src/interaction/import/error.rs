//! The named errors of importing. A message says what was found and what to do, and never what a customer wrote.

use crate::interaction::WireError;

/// Why a file, or one entry of it, gives no interaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Not UTF-8.
    #[error("byte {at} is not UTF-8; save it as UTF-8")]
    NotUtf8 {
        /// Where the first bad byte is.
        at: usize,
    },
    /// UTF-16, as some spreadsheets save.
    #[error("it is UTF-16; save it as UTF-8")]
    Utf16,
    /// Not what the format begins with.
    #[error("it does not look like {format}: {missing}; name the right one with --format")]
    NotThisFormat {
        /// The format.
        format: &'static str,
        /// What is not there.
        missing: &'static str,
    },
    /// Not JSON.
    #[error("not JSON ({problem} at line {line}, column {column}); give the file as it was written")]
    NotJson {
        /// What kind of fault.
        problem: &'static str,
        /// One-based line.
        line: usize,
        /// One-based column.
        column: usize,
    },
    /// JSON of no system that is known.
    #[error(
        "it is JSON of no system that is known; name it with --format, or see docs/import.md for what can be read"
    )]
    UnknownJson,
    /// Longer than one entry may be before it is looked at.
    #[error("it has more than {limit} bytes; leave its attachments out")]
    TooLarge {
        /// Bytes allowed.
        limit: usize,
    },
    /// An e-mail whose words alone are more than a message may have.
    #[error("its text without attachments has {bytes} bytes, a message may have {limit}; shorten it")]
    TooMuchText {
        /// Bytes found.
        bytes: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not an e-mail.
    #[error("it has no e-mail headers; give the whole message, from its headers on")]
    NoHeaders,
    /// The e-mail, or the interaction, cannot be read.
    #[error("{0}")]
    Wire(WireError),
    /// It tells by its parts that a machine wrote it, and is too large to be kept with them.
    #[error("it is a machine's message too large to be taken with its attachments; leave them out")]
    LargeAutoReply,
    /// A table without a heading.
    #[error(
        "its first line names no column that is known; name them as the fields ({fields}), or with --map FIELD=COLUMN"
    )]
    NoHeading {
        /// Every field.
        fields: String,
    },
    /// Two columns for one field.
    #[error("two columns are `{field}`; rename one")]
    TwoColumns {
        /// The field.
        field: String,
    },
    /// A column named by the user is not there.
    #[error("there is no column `{column}`; there are {columns}")]
    NoColumn {
        /// The column.
        column: String,
        /// Those there.
        columns: String,
    },
    /// Neither a column nor an option tells the channel.
    #[error("nothing tells the channel; add a column `channel`, or give --channel")]
    NoChannel,
    /// A row of another length than the heading.
    #[error(
        "it has {found} cells, the heading has {wanted}; quote cells in which the separator stands, and close every quote"
    )]
    WrongCells {
        /// Cells found.
        found: usize,
        /// Cells wanted.
        wanted: usize,
    },
    /// A cell that cannot be what its column says.
    #[error("`{field}` {problem}")]
    BadCell {
        /// The field.
        field: &'static str,
        /// What is wrong and what to give.
        problem: &'static str,
    },
    /// A cue of a transcript.
    #[error("line {line}: {problem}")]
    BadCue {
        /// One-based line.
        line: usize,
        /// What is wrong and what to give.
        problem: &'static str,
    },
    /// A segment or turn of a transcript.
    #[error("{item} {number} {problem}")]
    BadItem {
        /// What it is.
        item: &'static str,
        /// Its place, from 1.
        number: usize,
        /// What is wrong and what to give.
        problem: &'static str,
    },
    /// Nobody can tell who the agent is.
    #[error("who of {speakers} is the agent cannot be told; name them with --agent NAME")]
    UndecidedSpeakers {
        /// The names, shortened.
        speakers: String,
    },
    /// A transcript without words.
    #[error("nobody says anything in it; give only transcripts with words")]
    NoWords,
    /// One turn fills a message.
    #[error("one turn has {bytes} bytes, a message may have {limit}; split the transcript")]
    LongTurn {
        /// Bytes found.
        bytes: usize,
        /// Bytes allowed.
        limit: usize,
    },
}

impl From<WireError> for ImportError {
    fn from(error: WireError) -> Self {
        match error {
            // Its own words are about base64, which nobody has given here.
            WireError::BadMime { .. } => Self::NoHeaders,
            other => Self::Wire(other),
        }
    }
}

impl ImportError {
    /// The stable name of this error, for scripts.
    pub fn class(&self) -> &'static str {
        match self {
            Self::NotUtf8 { .. } | Self::Utf16 => "not_utf8",
            Self::NotThisFormat { .. } => "not_this_format",
            Self::NotJson { .. } => "not_json",
            Self::UnknownJson => "unknown_format",
            Self::TooLarge { .. } | Self::TooMuchText { .. } | Self::LargeAutoReply => "too_large",
            Self::Wire(error) => error.class(),
            Self::NoHeaders => "bad_mime",
            Self::NoHeading { .. } => "no_heading",
            Self::TwoColumns { .. } => "two_columns",
            Self::NoColumn { .. } => "no_column",
            Self::NoChannel => "missing_field",
            Self::WrongCells { .. } => "wrong_cells",
            Self::BadCell { .. } => "bad_value",
            Self::BadCue { .. } => "bad_cue",
            Self::BadItem { .. } => "bad_item",
            Self::UndecidedSpeakers { .. } => "undecided_speakers",
            Self::NoWords => "empty_text",
            Self::LongTurn { .. } => "too_long",
        }
    }
}
