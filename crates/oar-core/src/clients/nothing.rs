//! The spellings in which services say that there is nothing.

use serde::{Deserialize, Deserializer};

/// Reads `null` as the type's default. Programs in Go write so for lists and maps that were never made, and for objects
/// without a value; with `#[serde(default)]` an absent field is the same.
pub(crate) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
