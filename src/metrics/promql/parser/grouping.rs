//! Lists of labels: `by`, `without`, `on`, `ignoring`, `group_left`, `group_right`; and `bool`.

use crate::promql::ParseError;
use crate::promql::ast::{Cardinality, Matching, Op};
use crate::promql::lexer::Kind;
use crate::promql::parser::Parser;

impl Parser {
    pub(super) fn modifiers(&mut self, op: Op) -> Result<(bool, Matching), ParseError> {
        let place = self.span();
        let returns_bool = self.take_word("bool");
        if returns_bool && !op.is_comparison() {
            let message = format!("`bool` works with comparisons only, not with {:?}", op.as_str());
            return Err(ParseError::new(place, message));
        }
        let cardinality = if op.is_set() { Cardinality::ManyToMany } else { Cardinality::OneToOne };
        let mut matching = Matching {
            cardinality,
            on: false,
            labels: Vec::new(),
            include: Vec::new(),
            written: false,
        };
        for (word, on) in [("on", true), ("ignoring", false)] {
            if !matching.written && self.take_word(word) {
                matching.on = on;
                matching.written = true;
                matching.labels = self.label_list()?;
            }
        }
        if matching.written {
            self.grouping(op, &mut matching)?;
        }
        Ok((returns_bool, matching))
    }

    pub(super) fn grouping(&mut self, op: Op, matching: &mut Matching) -> Result<(), ParseError> {
        for (word, cardinality) in
            [("group_left", Cardinality::ManyToOne), ("group_right", Cardinality::OneToMany)]
        {
            let place = self.span();
            if !self.take_word(word) {
                continue;
            }
            if op.is_set() {
                let message = format!("{word} does not go with {:?}", op.as_str());
                return Err(ParseError::new(place, message));
            }
            matching.cardinality = cardinality;
            if self.is_sign("(") {
                matching.include = self.label_list()?;
            }
            let twice = matching.include.iter().find(|label| matching.labels.contains(label));
            if let Some(label) = twice.filter(|_| matching.on) {
                let message = format!("label {label:?} stands in both on and {word}");
                return Err(ParseError::new(place, message));
            }
            // Only one side may be the many.
            break;
        }
        Ok(())
    }

    pub(super) fn label_list(&mut self) -> Result<Vec<String>, ParseError> {
        self.expect_sign("(")?;
        let mut labels = Vec::new();
        while !self.is_sign(")") {
            let label = match self.peek() {
                Kind::Word(word)
                    if !(word.eq_ignore_ascii_case("nan") || word.eq_ignore_ascii_case("inf")) =>
                {
                    word.clone()
                }
                Kind::Text(text) if !text.is_empty() => text.clone(),
                Kind::Word(_)
                | Kind::Text(_)
                | Kind::Number(_)
                | Kind::Duration(_)
                | Kind::Sign(_)
                | Kind::End => {
                    return Err(self.unexpected("a label name"));
                }
            };
            self.at += 1;
            labels.push(label);
            if !self.take_sign(",") {
                break;
            }
        }
        if !self.take_sign(")") {
            return Err(self.unexpected("\",\" or \")\""));
        }
        Ok(labels)
    }

    pub(super) fn group(&mut self) -> Result<Option<(bool, Vec<String>)>, ParseError> {
        if self.take_word("by") {
            return Ok(Some((false, self.label_list()?)));
        }
        if self.take_word("without") {
            return Ok(Some((true, self.label_list()?)));
        }
        Ok(None)
    }
}
