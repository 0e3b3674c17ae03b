//! What a table can hold: its keys, the kind of each value, its default and what it means.
//!
//! The one description that unknown-key suggestions, type errors and the JSON schema read.

/// A table.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) doc: &'static str,
    pub(crate) keys: &'static [Field],
}

/// A key of a table.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) word: Word,
    /// As it would be written; empty where there is none.
    pub(crate) default: &'static str,
    pub(crate) doc: &'static str,
}

/// The kind of a value.
#[derive(Debug)]
pub(crate) enum Word {
    Text,
    Integer,
    Number,
    Flag,
    Duration,
    Size,
    Share,
    Quantity,
    Bound,
    Secret,
    Promql,
    Matchers,
    Template,
    Date,
    OneOf(&'static [&'static str]),
    List(&'static Self),
    Map(&'static Self),
    Table(&'static Shape),
    Either(&'static [Self]),
}

/// Describes a key without default.
pub(crate) const fn key(name: &'static str, word: Word, doc: &'static str) -> Field {
    Field { name, word, default: "", doc }
}

/// Describes a key with its default.
pub(crate) const fn with(
    name: &'static str,
    word: Word,
    default: &'static str,
    doc: &'static str,
) -> Field {
    Field { name, word, default, doc }
}

impl Shape {
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.keys.iter().find(|field| field.name == name)
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|field| field.name).collect()
    }
}

/// Returns the candidate that a misspelt word most likely meant.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let wanted: Vec<char> = word.to_lowercase().chars().take(LETTERS_MAX).collect();
    let most = ((wanted.len() + 1) / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&wanted, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Longer words are compared by their beginning.
const LETTERS_MAX: usize = 64;

/// Letters to insert, delete, replace or swap with their neighbour (optimal string alignment).
fn distance(wanted: &[char], candidate: &str) -> usize {
    let other: Vec<char> = candidate.to_lowercase().chars().take(LETTERS_MAX).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in wanted.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, theirs) in other.iter().enumerate() {
            let mut best = (last[column] + usize::from(letter != theirs))
                .min(last[column + 1] + 1)
                .min(line[column] + 1);
            let swapped =
                0 < row && 0 < column && other[column - 1] == *letter && wanted[row - 1] == *theirs;
            if swapped {
                best = best.min(before[column - 1] + 1);
            }
            line.push(best);
        }
        before = std::mem::replace(&mut last, line);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_words_find_their_neighbour() {
        let known = ["interval", "timeout", "labels", "url"];
        for (word, expected) in [
            ("intervall", Some("interval")),
            ("intreval", Some("interval")),
            ("Interval", Some("interval")),
            ("timeuot", Some("timeout")),
            ("lable", Some("labels")),
            ("ulr", Some("url")),
            ("body", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
