//! Labels: what they may hold, and how they select.

use std::collections::BTreeMap;

/// What is wrong with a label's value; `None` when it is good.
pub(super) fn problem(value: &str) -> Option<String> {
    let word = |letter: char| letter.is_ascii_alphanumeric();
    let good = value.len() <= 63
        && value.chars().all(|letter| word(letter) || matches!(letter, '-' | '_' | '.'))
        && value.chars().next().is_none_or(word)
        && value.chars().next_back().is_none_or(word);
    (!good).then(|| {
        format!(
            "metadata.labels: Invalid value: \"{value}\": a valid label must be an empty string or consist of \
             alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
        )
    })
}

/// Whether labels are selected: `a=b,c!=d,e,!f,g in (h,i),j notin (k)`.
pub(super) fn selects(selector: &str, labels: &BTreeMap<String, String>) -> Result<bool, String> {
    let mut all = true;
    for part in split(selector) {
        all &= one(part.trim(), labels)?;
    }
    Ok(all)
}

/// The parts between commas that stand outside of parentheses.
fn split(selector: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    selector
        .split(|letter: char| {
            match letter {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            letter == ',' && depth == 0
        })
        .filter(|part| !part.trim().is_empty())
        .collect()
}

fn one(part: &str, labels: &BTreeMap<String, String>) -> Result<bool, String> {
    let value = |name: &str| labels.get(name.trim());
    if let Some((name, rest)) = part.split_once(" in ").or_else(|| part.split_once(" notin ")) {
        let set = rest.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        let set = set.ok_or_else(|| format!("unable to parse requirement: {part}"))?;
        let inside = value(name).is_some_and(|found| set.split(',').any(|wanted| wanted.trim() == found));
        return Ok(if part.contains(" notin ") { !inside } else { inside });
    }
    if let Some((name, wanted)) = part.split_once("!=") {
        return Ok(value(name).is_none_or(|found| found != wanted.trim()));
    }
    if let Some((name, wanted)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Ok(value(name).is_some_and(|found| found == wanted.trim()));
    }
    if part.contains([' ', '(', ')', '>', '<']) {
        return Err(format!("unable to parse requirement: {part}"));
    }
    match part.strip_prefix('!') {
        Some(name) => Ok(value(name).is_none()),
        None => Ok(value(part).is_some()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_of_every_form() {
        let labels = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
        for (selector, expected) in [
            ("", true),
            ("a=1", true),
            ("a==1,b=2", true),
            ("a=1,b=3", false),
            ("a!=1", false),
            ("c!=1", true),
            ("a", true),
            ("!a", false),
            ("a in (1, 2),b", true),
            ("a notin (1,2)", false),
            ("c notin (1)", true),
        ] {
            assert_eq!(selects(selector, &labels), Ok(expected), "{selector}");
        }
        assert!(selects("a > (", &labels).is_err());
        assert!(problem("Accepted").is_none() && problem("").is_none());
        assert!(problem("no way").is_some() && problem("-x").is_some());
    }
}
