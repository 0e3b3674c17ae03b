//! Reads the format of `printf`: flags, width, precision, the place of an argument, the verb.

use std::iter::Peekable;
use std::str::Chars;

use crate::template::go::print::{Flags, Output, argument, named};
use crate::template::go::value::Value;

/// The largest width and precision.
const WIDTH_MAX: usize = 1_000;

/// Prints values by a format, with Go's error text where they do not fit.
pub(super) fn printf(format: &str, values: &[Value]) -> Output {
    let mut printer = Printer {
        rest: format.chars().peekable(),
        values,
        next: 0,
        reordered: false,
        out: Output::default(),
    };
    while let Some(letter) = printer.rest.next() {
        if letter == '%' {
            printer.directive();
        } else {
            printer.out.push_char(letter);
        }
        if printer.out.full {
            return printer.out;
        }
    }
    printer.extra();
    printer.out
}

struct Printer<'a> {
    rest: Peekable<Chars<'a>>,
    values: &'a [Value],
    /// The argument that comes next.
    next: usize,
    /// Whether a directive chose its argument, so that some may be left.
    reordered: bool,
    out: Output,
}

/// A directive that chose an argument that does not exist.
struct BadIndex;

impl Printer<'_> {
    fn directive(&mut self) {
        let mut flags = self.flags();
        let mut good = self.index();
        match self.number() {
            Ok(width) => flags.width = width,
            Err(()) => self.out.push("%!(BADWIDTH)"),
        }
        if self.rest.next_if_eq(&'.').is_some() {
            good = good.and_then(|()| self.index());
            match self.number() {
                Ok(precision) => flags.precision = Some(precision.unwrap_or(0)),
                Err(()) => self.out.push("%!(BADPREC)"),
            }
        }
        good = good.and_then(|()| self.index());
        let Some(verb) = self.rest.next() else {
            return self.out.push("%!(NOVERB)");
        };
        if verb == '%' {
            return self.out.push("%");
        }
        let value = self.values.get(self.next);
        let problem = match (good, value) {
            (Err(BadIndex), _) => "(BADINDEX)",
            (Ok(()), None) => "(MISSING)",
            (Ok(()), Some(value)) => {
                self.next += 1;
                if verb == 'v' && flags.plus {
                    flags = Flags { plus: false, names: true, ..flags };
                }
                return argument(&mut self.out, value, verb, flags);
            }
        };
        self.out.push("%!");
        self.out.push_char(verb);
        self.out.push(problem);
    }

    fn flags(&mut self) -> Flags {
        let mut flags = Flags::default();
        while let Some(flag) = self.rest.next_if(|letter| "-+# 0".contains(*letter)) {
            match flag {
                '-' => flags.minus = true,
                '+' => flags.plus = true,
                '#' => flags.sharp = true,
                ' ' => flags.space = true,
                _ => flags.zero = true,
            }
        }
        flags
    }

    /// `[2]` makes the second argument the next.
    fn index(&mut self) -> Result<(), BadIndex> {
        if self.rest.next_if_eq(&'[').is_none() {
            return Ok(());
        }
        self.reordered = true;
        let mut written = String::new();
        loop {
            match self.rest.next() {
                Some(']') => break,
                Some(letter) => written.push(letter),
                None => return Err(BadIndex),
            }
        }
        let place = written.parse::<usize>().ok().and_then(|place| place.checked_sub(1));
        match place.filter(|place| *place < self.values.len()) {
            Some(place) => {
                self.next = place;
                Ok(())
            }
            None => Err(BadIndex),
        }
    }

    /// Digits, or `*` that takes an argument.
    fn number(&mut self) -> Result<Option<usize>, ()> {
        if self.rest.next_if_eq(&'*').is_some() {
            let value = self.values.get(self.next);
            self.next += usize::from(value.is_some());
            return match value {
                Some(Value::Int(number)) => {
                    let size = usize::try_from(*number).map_err(|_| ())?;
                    if size <= WIDTH_MAX { Ok(Some(size)) } else { Err(()) }
                }
                Some(_) | None => Err(()),
            };
        }
        let mut size: Option<usize> = None;
        while let Some(digit) = self.rest.peek().and_then(|letter| letter.to_digit(10)) {
            self.rest.next();
            let digit = usize::try_from(digit).unwrap_or(0);
            size = Some(size.unwrap_or(0).saturating_mul(10).saturating_add(digit));
        }
        if size.is_some_and(|size| WIDTH_MAX < size) { Err(()) } else { Ok(size) }
    }

    /// Arguments that no directive used.
    fn extra(&mut self) {
        let left = self.values.get(self.next..).unwrap_or_default();
        if self.reordered || left.is_empty() {
            return;
        }
        self.out.push("%!(EXTRA ");
        for (index, value) in left.iter().enumerate() {
            self.out.push(if index == 0 { "" } else { ", " });
            named(&mut self.out, value, Flags::default());
        }
        self.out.push(")");
    }
}
