//! Ranges in A1 notation: `'4.14.60'!C8:E`.

use super::{
    model::{Sheet, Spreadsheet},
    refusal::{Refusal, invalid},
};

/// A block of cells; rows and columns are counted from 0 and the ends are inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) top: usize,
    pub(super) left: usize,
    pub(super) bottom: usize,
    pub(super) right: usize,
    /// Whether one cell was named, from which a write may spread.
    pub(super) is_anchor: bool,
}

impl Block {
    /// The block as the service names it: `'4.14.60'!C8:E1000`.
    pub(super) fn name(self, title: &str) -> String {
        let first = cell_name(self.top, self.left);
        let last = cell_name(self.bottom, self.right);
        let title = quote(title);
        if first == last { format!("{title}!{first}") } else { format!("{title}!{first}:{last}") }
    }
}

/// `B7` for row 6, column 1.
pub(super) fn cell_name(row: usize, column: usize) -> String {
    format!("{}{}", column_name(column), row + 1)
}

/// `B` for column 1.
pub(super) fn column_name(column: usize) -> String {
    let mut name = String::new();
    let mut left = column + 1;
    while left > 0 {
        let digit = u8::try_from((left - 1) % 26).unwrap_or_default();
        name.insert(0, char::from(b'A' + digit));
        left = (left - 1) / 26;
    }
    name
}

fn quote(title: &str) -> String {
    let plain = title.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    let plain = plain && !title.starts_with(|letter: char| letter.is_ascii_digit());
    if plain { title.to_owned() } else { format!("'{}'", title.replace('\'', "''")) }
}

/// The sheet and the block that `text` names.
pub(super) fn resolve(spreadsheet: &Spreadsheet, text: &str) -> Result<(usize, Block), Refusal> {
    let unparsable = || invalid(&format!("Unable to parse range: {text}"));
    let (title, cells) = split(text);
    let index = match &title {
        Some(title) => spreadsheet.sheets.iter().position(|sheet| sheet.title == *title),
        // Without a sheet it is the first one; a text that is no range of cells is a sheet's title.
        None => spreadsheet.sheets.iter().position(|sheet| sheet.title == text).or(Some(0)),
    };
    let index = index.ok_or_else(unparsable)?;
    let sheet = spreadsheet.sheets.get(index).ok_or_else(unparsable)?;
    let whole = cells.is_empty() || (title.is_none() && sheet.title == text);
    let block = if whole { Some(all_of(sheet)) } else { parse(cells, sheet) };
    let block = block.ok_or_else(unparsable)?;
    if block.bottom >= sheet.rows || block.right >= sheet.columns {
        return Err(invalid(&format!(
            "Range ({}!{cells}) exceeds grid limits. Max rows: {}, max columns: {}",
            quote(&sheet.title),
            sheet.rows,
            sheet.columns
        )));
    }
    Ok((index, block))
}

fn all_of(sheet: &Sheet) -> Block {
    let (bottom, right) = (sheet.rows.saturating_sub(1), sheet.columns.saturating_sub(1));
    Block { top: 0, left: 0, bottom, right, is_anchor: false }
}

/// The title and the cells: `'it''s'!A1` gives `it's` and `A1`.
fn split(text: &str) -> (Option<String>, &str) {
    let Some(quoted) = text.strip_prefix('\'') else {
        return match text.split_once('!') {
            Some((title, cells)) => (Some(title.to_owned()), cells),
            None => (None, text),
        };
    };
    let mut title = String::new();
    let mut rest = quoted;
    while let Some((part, tail)) = rest.split_once('\'') {
        title.push_str(part);
        match tail.strip_prefix('\'') {
            Some(tail) => {
                title.push('\'');
                rest = tail;
            }
            None => return (Some(title), tail.strip_prefix('!').unwrap_or(tail)),
        }
    }
    (None, text)
}

fn parse(cells: &str, sheet: &Sheet) -> Option<Block> {
    let (first, last) = cells.split_once(':').unwrap_or((cells, cells));
    let ((left, top), (right, bottom)) = (corner(first)?, corner(last)?);
    if !cells.contains(':') && (left.is_none() || top.is_none()) {
        return None;
    }
    let block = Block {
        top: top.unwrap_or(0),
        left: left.unwrap_or(0),
        bottom: bottom.unwrap_or(sheet.rows.saturating_sub(1)),
        right: right.unwrap_or(sheet.columns.saturating_sub(1)),
        is_anchor: !cells.contains(':'),
    };
    (block.top <= block.bottom && block.left <= block.right).then_some(block)
}

/// Column and row of `C8`, of `C` and of `8`.
fn corner(text: &str) -> Option<(Option<usize>, Option<usize>)> {
    let text = text.replace('$', "");
    let letters = text.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let (letters, digits) = text.split_at_checked(letters)?;
    if text.is_empty() || letters.len() > 3 {
        return None;
    }
    let column =
        letters.bytes().fold(0, |sum, letter| sum * 26 + usize::from(letter.to_ascii_uppercase() - b'A') + 1);
    let row = if digits.is_empty() { None } else { Some(digits.parse::<usize>().ok()?.checked_sub(1)?) };
    Some((column.checked_sub(1), row))
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    fn spreadsheet() -> Spreadsheet {
        Spreadsheet::new("Reports", ["template", "4.14.60", "it's"])
    }

    fn named(text: &str) -> Result<String, u16> {
        let spreadsheet = spreadsheet();
        let (index, block) =
            resolve(&spreadsheet, text).map_err(|refusal| refusal.into_response().status().as_u16())?;
        Ok(block.name(&spreadsheet.sheets[index].title))
    }

    #[test]
    fn ranges_are_named_as_the_service_names_them() {
        for (text, name) in [
            ("'4.14.60'!C8:E9", "'4.14.60'!C8:E9"),
            ("4.14.60!C8", "'4.14.60'!C8"),
            ("'4.14.60'!C8:E", "'4.14.60'!C8:E1000"),
            ("'it''s'!$A$1", "'it''s'!A1"),
            ("template!B:B", "template!B1:B1000"),
            ("B2:c3", "template!B2:C3"),
            ("4.14.60", "'4.14.60'!A1:Z1000"),
            ("template!2:3", "template!A2:Z3"),
        ] {
            assert_eq!(named(text), Ok(name.to_owned()), "{text}");
        }
        for wrong in
            ["'4.14.61'!A1", "template!A", "template!0:1", "'template!A1", "template!C3:B1", "A1001", "AA1"]
        {
            assert_eq!(named(wrong), Err(400), "{wrong}");
        }
        assert_eq!((column_name(0), column_name(25), column_name(26)), ("A".into(), "Z".into(), "AA".into()));
    }
}
