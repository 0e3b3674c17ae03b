//! Reads the words of a Go template into nodes; every name is checked here: functions, variables,
//! and words such as `end` where they belong.

use crate::template::TemplateError;
use crate::template::go::ast::{
    Branch, Command, Literal, Node, Operand, OperandKind, Pipeline, Program, Span,
};
use crate::template::go::function;
use crate::template::go::lexer::{Token, Word, fault, tokens};

/// How deep brackets, conditions and loops nest.
const NESTING_MAX: usize = 50;

/// The variables that Prometheus declares before the text of a rule.
const PREDEFINED: [&str; 5] = ["$", "$labels", "$externalLabels", "$externalURL", "$value"];

/// Reads a text.
///
/// # Errors
/// Says the first fault and its place.
pub(super) fn parse(text: &str) -> Result<Program, TemplateError> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        variables: PREDEFINED.map(str::to_owned).to_vec(),
        depth: 0,
        loops: 0,
        program: Program::default(),
    };
    let (main, stop) = parser.list(true)?;
    match stop {
        Stop::Text => {}
        Stop::End(span) => return Err(fault("unexpected {{end}}", span, OPENS)),
        Stop::Else(span) => return Err(fault("unexpected {{else}}", span, OPENS)),
    }
    parser.program.main = main;
    Ok(parser.program)
}

const OPENS: Option<&str> = Some("it closes an if, with or range that is not open");

/// What ended a list of nodes.
enum Stop {
    /// The end of the text.
    Text,
    End(Span),
    /// `{{ else`, the rest of the action is not read yet.
    Else(Span),
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    /// The variables in sight.
    variables: Vec<String>,
    depth: usize,
    /// The loops around.
    loops: usize,
    program: Program,
}

impl Parser {
    fn peek(&self) -> &Token {
        // The last token is `End`, and nothing moves beyond it.
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn peek_second(&self) -> &Word {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)].word
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn take(&mut self, word: &Word) -> bool {
        let found = self.peek().word == *word;
        if found {
            self.next();
        }
        found
    }

    fn unexpected<T>(&self, place: &str) -> Result<T, TemplateError> {
        let token = self.peek();
        Err(fault(
            format!("unexpected {} in {place}", worded(&token.word)),
            token.span.clone(),
            None,
        ))
    }

    fn close(&mut self, place: &str) -> Result<Span, TemplateError> {
        let span = self.peek().span.clone();
        if self.take(&Word::Close) { Ok(span) } else { self.unexpected(place) }
    }

    fn deeper(&mut self) -> Result<(), TemplateError> {
        self.depth += 1;
        if self.depth <= NESTING_MAX {
            return Ok(());
        }
        let message = format!("the template nests deeper than {NESTING_MAX} levels");
        Err(fault(message, self.peek().span.clone(), None))
    }

    /// Reads nodes up to `{{end}}`, `{{else` or the end of the text.
    fn list(&mut self, top: bool) -> Result<(Vec<Node>, Stop), TemplateError> {
        let mut nodes = Vec::new();
        loop {
            let token = self.next();
            match token.word {
                Word::Text => nodes.push(Node::Text(token.span)),
                Word::Open => {}
                _ => return Ok((nodes, Stop::Text)),
            }
            if token.word == Word::Text {
                continue;
            }
            let Word::Name(name) = self.peek().word.clone() else {
                nodes.push(Node::Action(self.pipeline("command", &Word::Close)?));
                continue;
            };
            let keyword = self.peek().span.clone();
            match name.as_str() {
                "end" => {
                    self.next();
                    self.close("end")?;
                    return Ok((nodes, Stop::End(keyword)));
                }
                "else" => {
                    self.next();
                    return Ok((nodes, Stop::Else(keyword)));
                }
                "define" if top => {
                    self.next();
                    self.define()?;
                }
                "define" => {
                    let message = "unexpected {{define}} inside of another action";
                    return Err(fault(message, keyword, Some("define templates at the top")));
                }
                _ => nodes.push(self.node(&name)?),
            }
        }
    }

    fn node(&mut self, name: &str) -> Result<Node, TemplateError> {
        let keyword = self.peek().span.clone();
        match name {
            "if" => Ok(Node::If(self.branch("if")?)),
            "with" => Ok(Node::With(self.branch("with")?)),
            "range" => Ok(Node::Range(self.branch("range")?)),
            "template" => self.template(),
            "block" => self.block(),
            "break" | "continue" => {
                self.next();
                if self.loops == 0 {
                    return Err(fault(
                        format!("{{{{{name}}}}} outside {{{{range}}}}"),
                        keyword,
                        None,
                    ));
                }
                self.close(name)?;
                Ok(if name == "break" { Node::Break } else { Node::Continue })
            }
            _ => Ok(Node::Action(self.pipeline("command", &Word::Close)?)),
        }
    }

    /// `if pipeline}} body {{else}} otherwise {{end}}`, and its kin.
    fn branch(&mut self, name: &str) -> Result<Branch, TemplateError> {
        self.deeper()?;
        let opened = self.next().span;
        let seen = self.variables.len();
        let pipeline = self.pipeline(name, &Word::Close)?;
        let inside = self.variables.len();
        self.loops += usize::from(name == "range");
        let (body, stop) = self.list(false)?;
        self.loops -= usize::from(name == "range");
        self.variables.truncate(inside);
        let mut otherwise = Vec::new();
        match stop {
            Stop::End(_) => {}
            Stop::Text => return Err(unclosed(name, opened)),
            Stop::Else(_) if self.continues(name) => {
                otherwise.push(self.node(name)?);
            }
            Stop::Else(_) => {
                self.close("else")?;
                let (nodes, stop) = self.list(false)?;
                match stop {
                    Stop::End(_) => otherwise = nodes,
                    Stop::Text => return Err(unclosed(name, opened)),
                    Stop::Else(span) => {
                        return Err(fault("expected end; found {{else}}", span, None));
                    }
                }
            }
        }
        self.variables.truncate(seen);
        self.depth -= 1;
        Ok(Branch { pipeline, body, otherwise })
    }

    /// Tells whether `else` is followed by the word that it may continue.
    fn continues(&self, name: &str) -> bool {
        name != "range" && self.peek().word == Word::Name(name.to_owned())
    }

    /// `define "name"}} body {{end}}`
    fn define(&mut self) -> Result<(), TemplateError> {
        let (name, span) = self.template_name("define")?;
        self.close("define clause")?;
        self.body(name, span)
    }

    fn body(&mut self, name: String, span: Span) -> Result<(), TemplateError> {
        self.deeper()?;
        let outer = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let loops = std::mem::take(&mut self.loops);
        let (nodes, stop) = self.list(false)?;
        self.variables = outer;
        self.loops = loops;
        self.depth -= 1;
        match stop {
            Stop::End(_) => {}
            Stop::Text => return Err(unclosed("define", span)),
            Stop::Else(span) => {
                return Err(fault("unexpected {{else}} in define clause", span, None));
            }
        }
        if self.program.templates.get(&name).is_some_and(|nodes| !nodes.is_empty()) {
            return Err(fault(format!("multiple definition of template {name:?}"), span, None));
        }
        self.program.templates.insert(name, nodes);
        Ok(())
    }

    fn template_name(&mut self, place: &str) -> Result<(String, Span), TemplateError> {
        let token = self.peek().clone();
        let Word::Literal(Literal::Text(name)) = token.word else {
            return self.unexpected(&format!("{place} clause"));
        };
        self.next();
        Ok((name.as_ref().to_owned(), token.span))
    }

    /// `template "name" pipeline}}`
    fn template(&mut self) -> Result<Node, TemplateError> {
        self.next();
        let (name, span) = self.template_name("template")?;
        let pipeline = if self.take(&Word::Close) {
            None
        } else {
            Some(self.pipeline("template clause", &Word::Close)?)
        };
        Ok(Node::Template { name, at: span.start, span, pipeline })
    }

    /// `block "name" pipeline}} body {{end}}` defines a template and calls it.
    fn block(&mut self) -> Result<Node, TemplateError> {
        self.next();
        let (name, span) = self.template_name("block")?;
        let pipeline = self.pipeline("block clause", &Word::Close)?;
        self.body(name.clone(), span.clone())?;
        Ok(Node::Template { name, at: span.start, span, pipeline: Some(pipeline) })
    }

    /// Reads a pipeline and the word that ends it.
    fn pipeline(&mut self, place: &str, end: &Word) -> Result<Pipeline, TemplateError> {
        let start = self.peek().span.start;
        let (names, assigns) = self.declaration(place)?;
        let mut commands: Vec<Command> = Vec::new();
        loop {
            if self.peek().word == *end && commands.is_empty() {
                let span = start..self.peek().span.end;
                return Err(fault(format!("missing value for {place}"), span, None));
            }
            let command = self.command()?;
            let literal = matches!(command.first.kind, OperandKind::Literal(_) | OperandKind::Dot);
            if literal && !commands.is_empty() {
                let message =
                    format!("non executable command in pipeline stage {}", commands.len() + 1);
                return Err(fault(message, command.span, Some("a function stands after |")));
            }
            commands.push(command);
            if !self.take(&Word::Pipe) {
                break;
            }
        }
        let stop = commands.last().map_or(start, |command| command.span.end);
        if self.peek().word != *end {
            return self.unexpected(place);
        }
        self.next();
        self.variables.extend(names.iter().filter(|_| !assigns).cloned());
        Ok(Pipeline { span: start..stop, names, assigns, commands })
    }

    /// `$x :=`, `$x =`, and in a range `$i, $x :=`.
    fn declaration(&mut self, place: &str) -> Result<(Vec<String>, bool), TemplateError> {
        let Word::Variable(first) = self.peek().word.clone() else {
            return Ok((Vec::new(), false));
        };
        let mut names = vec![first];
        match self.peek_second() {
            Word::Declare | Word::Assign => {
                self.next();
            }
            Word::Comma if place == "range" => {
                self.next();
                self.next();
                let Word::Variable(second) = self.peek().word.clone() else {
                    return self.unexpected("range");
                };
                names.push(second);
                self.next();
            }
            _ => return Ok((Vec::new(), false)),
        }
        let assigns = match self.peek().word {
            Word::Declare => false,
            Word::Assign => true,
            _ => return self.unexpected("range"),
        };
        if let Some(name) = names.iter().find(|name| assigns && !self.variables.contains(name)) {
            return Err(undefined(name, self.peek().span.clone()));
        }
        self.next();
        Ok((names, assigns))
    }

    /// Operands that space separates.
    fn command(&mut self) -> Result<Command, TemplateError> {
        let first = self.operand()?;
        let mut arguments = Vec::new();
        let mut end = first.span.end;
        while !matches!(
            self.peek().word,
            Word::Close | Word::Pipe | Word::RightParen | Word::End | Word::Text
        ) {
            if !self.peek().spaced {
                return self.unexpected("operand");
            }
            let argument = self.operand()?;
            end = argument.span.end;
            arguments.push(argument);
        }
        Ok(Command { span: first.span.start..end, first, arguments })
    }

    fn operand(&mut self) -> Result<Operand, TemplateError> {
        let token = self.peek().clone();
        let start = token.span.start;
        let kind = match token.word {
            Word::Literal(literal) => {
                self.next();
                OperandKind::Literal(literal)
            }
            Word::Dot => {
                self.next();
                OperandKind::Dot
            }
            Word::Field(_) => OperandKind::Field(self.fields(true)),
            Word::Variable(name) => {
                self.next();
                if !self.variables.contains(&name) {
                    return Err(undefined(&name, token.span));
                }
                OperandKind::Variable(name, self.fields(false))
            }
            Word::Name(name) => {
                self.next();
                let Some(function) = function::find(&name) else {
                    let message = format!("function {name:?} not defined");
                    return Err(fault(message, token.span, Some(&function::help(&name))));
                };
                OperandKind::Function(function)
            }
            Word::LeftParen => {
                self.deeper()?;
                self.next();
                let pipeline = self.pipeline("parenthesized pipeline", &Word::RightParen)?;
                self.depth -= 1;
                OperandKind::Paren(Box::new(pipeline), self.fields(false))
            }
            Word::Text
            | Word::Open
            | Word::Close
            | Word::Declare
            | Word::Assign
            | Word::Comma
            | Word::Pipe
            | Word::RightParen
            | Word::End => return self.unexpected("operand"),
        };
        if let (Word::Field(name), false) = (&self.peek().word, self.peek().spaced) {
            let message = format!("unexpected <.{name}> after a value that has no fields");
            return Err(fault(message, self.peek().span.clone(), None));
        }
        let end = self.tokens[self.at - 1].span.end;
        Ok(Operand { span: start..end, kind })
    }

    /// Fields that follow without space; the first may have some.
    fn fields(&mut self, mut first: bool) -> Vec<String> {
        let mut names = Vec::new();
        while let (Word::Field(name), true) = (&self.peek().word, first || !self.peek().spaced) {
            names.push(name.clone());
            self.next();
            first = false;
        }
        names
    }
}

fn unclosed(name: &str, span: Span) -> TemplateError {
    fault(format!("unexpected EOF: {name} is not closed"), span, Some("close it with {{ end }}"))
}

fn undefined(name: &str, span: Span) -> TemplateError {
    let help = "a rule's text knows $labels, $value, $externalLabels and $externalURL";
    fault(format!("undefined variable {name:?}"), span, Some(help))
}

fn worded(word: &Word) -> String {
    match word {
        Word::Text | Word::Open | Word::End => "the end of the action".to_owned(),
        Word::Close => "\"}}\"".to_owned(),
        Word::Name(name) => format!("<{name}>"),
        Word::Field(name) => format!("<.{name}>"),
        Word::Variable(name) => format!("<{name}>"),
        Word::Dot => "<.>".to_owned(),
        Word::Literal(_) => "a constant".to_owned(),
        Word::Declare => "\":=\"".to_owned(),
        Word::Assign => "\"=\"".to_owned(),
        Word::Comma => "\",\"".to_owned(),
        Word::Pipe => "\"|\"".to_owned(),
        Word::LeftParen => "\"(\"".to_owned(),
        Word::RightParen => "\")\"".to_owned(),
    }
}
