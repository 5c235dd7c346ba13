//! The named errors of the wire form. A message says which field, what was found and what to do; it never holds the
//! customer's text, so it may travel in headers and logs.

/// Why a message could not be read. Permanent: the same bytes fail again, so the message is parked after one try.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Over the size limit, checked before anything else.
    #[error(
        "the message has {bytes} bytes, the limit is {limit}; send it in pieces or leave attachments out"
    )]
    TooLarge {
        /// Bytes found.
        bytes: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not UTF-8.
    #[error("byte {at} is not UTF-8; encode the message as UTF-8")]
    NotUtf8 {
        /// Where the first bad byte is.
        at: usize,
    },
    /// Not JSON.
    #[error("not JSON ({problem} at line {line}, column {column}); send one JSON object")]
    NotJson {
        /// What kind of fault.
        problem: &'static str,
        /// One-based line.
        line: usize,
        /// One-based column.
        column: usize,
    },
    /// Nested deeper than allowed.
    #[error("the JSON is nested deeper than {limit} levels; flatten it")]
    TooDeep {
        /// Levels allowed.
        limit: usize,
    },
    /// JSON, but no object at its top.
    #[error("found {found} at the top; send one JSON object")]
    NotAnObject {
        /// The JSON type found.
        found: &'static str,
    },
    /// The same key twice in one object: which one counts would be a guess.
    #[error("the field `{field}` is given twice in one object; give it once")]
    DuplicateField {
        /// The key.
        field: String,
    },
    /// Another schema, or another version of it.
    #[error("`schema` is `{found}`; this version reads `smista.interaction.v1`")]
    WrongSchema {
        /// What was named, shortened.
        found: String,
    },
    /// A required field is absent or null.
    #[error("`{field}` is missing; {remedy}")]
    MissingField {
        /// The field.
        field: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A field has another JSON type.
    #[error("`{field}` is {found}; give {expected}")]
    WrongType {
        /// The field.
        field: String,
        /// The JSON type found.
        found: &'static str,
        /// What is wanted.
        expected: &'static str,
    },
    /// A field has the right type and a value that means nothing here.
    #[error("`{field}` {problem}")]
    BadValue {
        /// The field.
        field: String,
        /// What is wrong and what to give.
        problem: String,
    },
    /// A field is longer than its cap.
    #[error("`{field}` has {length} bytes, the limit is {limit}; shorten it")]
    TooLong {
        /// The field.
        field: String,
        /// Bytes found.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A list or map has more entries than its cap.
    #[error("`{field}` has {found} entries, the limit is {limit}; send fewer")]
    TooMany {
        /// The field.
        field: &'static str,
        /// Entries found.
        found: usize,
        /// Entries allowed.
        limit: usize,
    },
    /// More turns than allowed.
    #[error("`turns` has {found} turns, the limit is {limit}; send the conversation in pieces")]
    TooManyTurns {
        /// Turns found.
        found: usize,
        /// Turns allowed.
        limit: usize,
    },
    /// None of `text`, `turns` and `mime`.
    #[error("none of `text`, `turns` and `mime` is given; give exactly one")]
    NoContent,
    /// More than one of `text`, `turns` and `mime`.
    #[error("{found} are given together; give exactly one of `text`, `turns` and `mime`")]
    SeveralContents {
        /// The names given.
        found: String,
    },
    /// Nothing is left to read.
    #[error("`{field}` holds no words; send only messages in which somebody says something")]
    EmptyText {
        /// Where the words should be.
        field: &'static str,
    },
    /// `mime` is not an RFC 5322 message in base64.
    #[error("`mime` {problem}; give an RFC 5322 message in base64")]
    BadMime {
        /// What is wrong.
        problem: &'static str,
    },
    /// An e-mail of more parts than allowed.
    #[error("`mime` has {found} parts, the limit is {limit}; forward the message without its attachments")]
    TooManyParts {
        /// Parts found, counted at least up to the limit.
        found: usize,
        /// Parts allowed.
        limit: usize,
    },
}

impl WireError {
    /// The stable name of this error, for headers and metrics.
    pub fn class(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::NotUtf8 { .. } => "not_utf8",
            Self::NotJson { .. } => "not_json",
            Self::TooDeep { .. } => "too_deep",
            Self::NotAnObject { .. } => "not_an_object",
            Self::DuplicateField { .. } => "duplicate_field",
            Self::WrongSchema { .. } => "wrong_schema",
            Self::MissingField { .. } => "missing_field",
            Self::WrongType { .. } => "wrong_type",
            Self::BadValue { .. } => "bad_value",
            Self::TooLong { .. } => "too_long",
            Self::TooMany { .. } => "too_many",
            Self::TooManyTurns { .. } => "too_many_turns",
            Self::NoContent => "no_content",
            Self::SeveralContents { .. } => "several_contents",
            Self::EmptyText { .. } => "empty_text",
            Self::BadMime { .. } => "bad_mime",
            Self::TooManyParts { .. } => "too_many_parts",
        }
    }
}
