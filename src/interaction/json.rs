//! From bytes to a JSON object, with every cap checked before the step it protects: size, UTF-8, depth, then syntax
//! and repeated keys. Knows no field.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::error::WireError;
use super::text::shown;

/// Bytes a message may have.
pub const MAX_BYTES: usize = 1024 * 1024;
/// Levels of objects and arrays.
pub const MAX_DEPTH: usize = 32;

/// Reads one JSON object.
///
/// # Errors
/// `too_large`, `not_utf8`, `too_deep`, `not_json`, `duplicate_field`, `not_an_object`, in this order of checking.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, WireError> {
    if body.len() > MAX_BYTES {
        return Err(WireError::TooLarge { bytes: body.len(), limit: MAX_BYTES });
    }
    let text = std::str::from_utf8(body).map_err(|error| WireError::NotUtf8 { at: error.valid_up_to() })?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if deeper_than(text.as_bytes(), MAX_DEPTH) {
        return Err(WireError::TooDeep { limit: MAX_DEPTH });
    }
    let duplicate = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Tree { duplicate: &duplicate }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| not_json(&error))?;
    if let Some(field) = duplicate.into_inner() {
        return Err(WireError::DuplicateField { field });
    }
    match value {
        Value::Object(map) => Ok(map),
        other => Err(WireError::NotAnObject { found: kind(&other) }),
    }
}

/// The JSON type, for messages.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn not_json(error: &serde_json::Error) -> WireError {
    let problem = if error.is_eof() { "it ends too early" } else { "a syntax error" };
    WireError::NotJson { problem, line: error.line(), column: error.column() }
}

/// One pass over the bytes, so that depth is known before anything recurses.
fn deeper_than(json: &[u8], limit: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Builds a [`Value`] and notes the first repeated key, which serde_json would pass over.
#[derive(Clone, Copy)]
struct Tree<'a> {
    duplicate: &'a RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self)?;
            if map.contains_key(&key) {
                let mut first = self.duplicate.try_borrow_mut().map_err(A::Error::custom)?;
                first.get_or_insert_with(|| shown(&key));
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}
