//! The parameter `fields`: `spreadsheetUrl,sheets.properties(sheetId,title)`.

use serde_json::{Map, Value};

/// The requested members, each with the requested members inside; without any, all of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mask(Vec<(String, Mask)>);

impl Mask {
    /// Parses the parameter; nothing when it is not well-formed.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let mask = list(&mut rest)?;
        rest.is_empty().then_some(mask)
    }

    /// The requested part of `value`. An unknown member is an error with its name.
    pub(super) fn select(&self, value: &Value) -> Result<Value, String> {
        if self.0.is_empty() || self.0.iter().any(|(name, _)| name == "*") {
            return Ok(value.clone());
        }
        match value {
            Value::Array(items) => items.iter().map(|item| self.select(item)).collect(),
            Value::Object(members) => {
                let mut selected = Map::new();
                for (name, inner) in &self.0 {
                    let member = members.get(name).ok_or_else(|| name.clone())?;
                    selected.insert(name.clone(), inner.select(member)?);
                }
                Ok(Value::Object(selected))
            }
            _ => Err(self.0.first().map(|(name, _)| name.clone()).unwrap_or_default()),
        }
    }
}

fn list(rest: &mut &str) -> Option<Mask> {
    let mut mask = Mask::default();
    loop {
        mask.0.push(path(rest)?);
        match rest.strip_prefix(',') {
            Some(tail) => *rest = tail,
            None => return Some(mask),
        }
    }
}

/// One name and the requested members inside.
fn path(rest: &mut &str) -> Option<(String, Mask)> {
    let end = rest.find([',', '.', '/', '(', ')']).unwrap_or(rest.len());
    let (name, tail) = rest.split_at_checked(end)?;
    *rest = tail;
    let inner = if let Some(tail) = rest.strip_prefix('(') {
        *rest = tail;
        let inner = list(rest)?;
        *rest = rest.strip_prefix(')')?;
        inner
    } else if let Some(tail) = rest.strip_prefix(['.', '/']) {
        *rest = tail;
        Mask(vec![path(rest)?])
    } else {
        Mask::default()
    };
    (!name.is_empty()).then(|| (name.to_owned(), inner))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_selected_at_any_depth() {
        let value = json!({"url": "u", "id": "i", "sheets": [{"properties": {"title": "t", "index": 0}}]});
        let mask = Mask::parse("url,sheets.properties(title)").unwrap();
        assert_eq!(
            mask.select(&value).unwrap(),
            json!({"url": "u", "sheets": [{"properties": {"title": "t"}}]})
        );
        assert_eq!(Mask::parse("sheets/properties/title,id").unwrap().select(&value).unwrap()["id"], "i");
        assert_eq!(Mask::parse("*").unwrap().select(&value).unwrap(), value);
        assert_eq!(Mask::parse("nothing").unwrap().select(&value), Err("nothing".to_owned()));
        for wrong in ["", "a,", "a(b", "a)", "a..b"] {
            assert_eq!(Mask::parse(wrong), None, "{wrong}");
        }
    }
}
