//! Ranges of versions, as the parameter `in` of `latest` holds them: `>=4.20.0-0 <4.21.0-0 || 5.0.0`.

use super::model::version_key;

/// Whether `version` is in `range`; the error names the invalid part.
pub(super) fn contains(range: &str, version: &str) -> Result<bool, String> {
    let mut inside = false;
    for alternative in range.split("||") {
        let mut all = true;
        let mut conditions = 0;
        for condition in alternative.split_whitespace() {
            all &= holds(condition, version)?;
            conditions += 1;
        }
        if conditions == 0 {
            return Err(format!("no condition in \"{alternative}\""));
        }
        inside |= all;
    }
    Ok(inside)
}

fn holds(condition: &str, version: &str) -> Result<bool, String> {
    let number = condition.trim_start_matches(['<', '>', '=', '!']);
    let operator = condition.get(..condition.len() - number.len()).unwrap_or_default();
    let release = number.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = release.split('.').collect();
    if parts.len() != 3 || parts.iter().any(|part| part.parse::<u64>().is_err()) {
        return Err(format!("could not parse version \"{number}\" in \"{condition}\""));
    }
    let order = version_key(version).cmp(&version_key(number));
    match operator {
        "" | "=" | "==" => Ok(order.is_eq()),
        "!" | "!=" => Ok(order.is_ne()),
        "<" => Ok(order.is_lt()),
        "<=" => Ok(order.is_le()),
        ">" => Ok(order.is_gt()),
        ">=" => Ok(order.is_ge()),
        _ => Err(format!("could not parse comparator \"{operator}\" in \"{condition}\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::contains;

    #[test]
    fn conditions_are_joined_by_space_and_bars() {
        let range = ">=4.20.0-0 <4.21.0-0 || 5.0.0";
        for (version, inside) in [
            ("4.20.0-ec.1", true),
            ("4.20.7", true),
            ("4.21.0-ec.0", false),
            ("4.21.0", false),
            ("5.0.0", true),
            ("5.0.1", false),
        ] {
            assert_eq!(contains(range, version), Ok(inside), "{version}");
        }
        assert_eq!(contains("!=4.20.1", "4.20.1"), Ok(false));
        for wrong in ["", "4.20", ">=x.y.z", "~4.20.0", "<>4.20.0"] {
            assert!(contains(wrong, "4.20.1").is_err(), "{wrong}");
        }
    }
}
