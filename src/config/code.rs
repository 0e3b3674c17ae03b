//! The codes of findings: each a stable word with a paragraph that `watchbell explain CODE` prints.

macro_rules! codes {
    ($($name:ident $word:literal $text:literal)*) => {
        /// A kind of finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Code { $($name),* }

        impl Code {
            /// Every code.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns the stable word.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }

            /// Returns the long text.
            pub(crate) fn explain(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

codes! {
    Syntax "syntax"
    "The file is not TOML, or not YAML where it holds Prometheus rules. Everything after the marked place may have been read differently from \
     what was meant, so findings further down can be consequences of this one. Repair the syntax \
     first. Texts need quotes; PromQL is best written in single quotes ('...' or '''...'''), \
     where backslashes and double quotes stand for themselves."

    Unreadable "unreadable"
    "A file that the configuration names cannot be read. The message carries the system's reason. \
     Check the path (include patterns are relative to the file that holds them) and that the user \
     who runs Watchbell may read it."

    UnknownTable "unknown-table"
    "The top level of the configuration has no table or key of this name. Nothing is ignored \
     silently, because a misspelt table would be a page that never comes. Where a known name is \
     near, the finding suggests it; `watchbell schema` lists all."

    UnknownKey "unknown-key"
    "The table has no key of this name. Nothing is ignored silently, because a misspelt key would \
     quietly take its default. Where a known key is near, the finding suggests it; otherwise it \
     lists the keys of the table."

    WrongType "wrong-type"
    "The value has another type than the key needs, such as a number where a text is due. Texts \
     stand in quotes, lists in square brackets, tables in braces."

    MissingKey "missing-key"
    "The table lacks a key that has no default. The finding names it and shows a line that would \
     do."

    BareNumber "bare-number"
    "A quantity was written without its unit. Quantities are texts with units (\"15s\", \"0.5%\", \
     \"2GiB\"), because a bare 15 could be seconds, minutes or milliseconds and only one of them \
     is what was meant. Zero needs no unit."

    BadQuantity "bad-quantity"
    "The text is no quantity. Units of time: ms, s, m, h, d, w, also together as in 1h30m. \
     Shares: %. Growth: %/h. Sizes: B, kB, MB, GB, TB (powers of 1000) and KiB, MiB, GiB, TiB \
     (powers of 1024). Rates: /s."

    BadBound "bad-bound"
    "A bound carries its comparison: \"> 1%\", \"< 80%\", \">= 90%\", \"<= 200ms\". `target` says \
     what is good, `warn` and `critical` say what is bad. Without the comparison nobody could \
     tell on which side the trouble is."

    UnitMismatch "unit-mismatch"
    "The unit does not fit. A ratio is bounded in %, a growth in %/h, a forecast by lengths of \
     time, and all bounds of a rule measure the same thing. The key `unit` (\"%\", \"seconds\", \
     \"bytes\", \"per_second\", \"none\" or a word of your own) says what an `expr` or a gauge \
     measures; without it the first bound that has a unit decides."

    BadValue "bad-value"
    "The value has the right type but cannot be used. The message says what would be accepted."

    BadZone "bad-zone"
    "There is no such time zone. Zones are IANA names such as Europe/Berlin, America/New_York or \
     UTC. Abbreviations such as CET are refused where they do not follow the changes of the clock \
     that people there live by."

    BadDate "bad-date"
    "The text is no date. Dates are written 2026-12-25. Where an instant is due, 2026-12-24T09:00 \
     is local time of the schedule's zone and 2026-12-24T08:00:00Z is absolute. Ends are \
     exclusive: a range from the 1st to the 15th ends as the 15th begins."

    BadTime "bad-time"
    "The text is no time of day. Write two digits each, as in 09:00; a range of hours is \
     20:00-08:00 and may pass midnight."

    BadCalendar "bad-calendar"
    "The work week cannot be read. Write days, then hours: \"mon-fri 09:00-18:00\". Several parts \
     are separated by commas, a later part replaces the days of an earlier one: \"mon-thu \
     09:00-18:00, fri 09:00-15:00\"."

    BadSchedule "bad-schedule"
    "The rotation makes no sense. `people` take turns of `every` (12h, 1d, 1w, 1mo; hours must \
     divide 24), which change at `handoff` (\"mon 09:00\" or \"09:00\"), counted from the local \
     date `start`, on which the first person's first shift begins."

    BadUrl "bad-url"
    "The address of a target, a server or a hook cannot be used. The message says which schemes \
     are accepted; user names and passwords do not belong into addresses, they have keys of their \
     own."

    BadAddress "bad-address"
    "The text is not what can be listened on, posted to or mailed. Listening needs IP:PORT, such \
     as 127.0.0.1:9911. A `post` target is a Slack channel (#prod-ops), an e-mail address \
     (ops@example.org) or a hook (webhook:pagerduty)."

    BadLabel "bad-label"
    "A label's name consists of letters, digits and underscores, does not begin with a digit, and \
     names beginning with two underscores are reserved. `alertname` and `severity` are set by \
     Watchbell."

    BadPromql "bad-promql"
    "The PromQL cannot be used. The place is that of the fault inside the expression, in the \
     coordinates of the file. `watchbell explain RULE` prints what a typed rule is lowered to, \
     `watchbell query` tries an expression against a running daemon."

    BadTemplate "bad-template"
    "The template cannot be used. Templates know `labels.NAME`, `value`, `rule` and `level`, and \
     the filters percent, duration, bytes, number and per_hour: {{ labels.service }}: {{ value | \
     percent }} of requests fail."

    BadMatcher "bad-matcher"
    "The matchers cannot be read. They are written as Prometheus and Alertmanager write them: \
     severity=\"critical\", team=~\"a|b\", separated by commas. Regular expressions match the \
     whole value. Single quotes around the TOML text save escaping."

    NoSource "no-source"
    "A rule asks exactly one question: ratio, quantile, rate, mean, max, min, sum, growth, \
     forecast or expr. This one asks none."

    TwoSources "two-sources"
    "A rule asks exactly one question: ratio, quantile, rate, mean, max, min, sum, growth, \
     forecast or expr. This one asks several; make each its own rule."

    NoBound "no-bound"
    "A rule without target, warn and critical could never say anything. Give it at least one bound."

    BoundsOrder "bounds-order"
    "The bounds contradict each other: a warn beyond the critical is never seen, because every \
     value that reaches it is critical already; a target on the bad side of warn calls the same \
     value good and bad; a target that compares in the same direction as warn probably says what \
     is bad, where it should say what is good."

    TouchingBounds "touching-bounds"
    "Two bounds lie at the same value, so the level between them is never seen, or only at \
     exactly that value. Bounds are strict as written. Leave one of them out, or move them apart."

    DuplicateName "duplicate-name"
    "A name is defined twice. All files are merged into one configuration, so names are unique \
     over all of them. The finding shows both places; rename or remove one."

    MisplacedTable "misplaced-table"
    "Files that are included, and files that are checked by themselves as rules, hold [rule.*] \
     and [slo.*] tables only. Who is paged and how stays together in the main file, where one \
     look shows it."

    UnknownPerson "unknown-person"
    "There is no [person.*] table of this name, so nobody would be paged. The finding suggests \
     the nearest name."

    UnknownName "unknown-name"
    "There is neither a person nor a schedule of this name, so nobody would be paged. The finding \
     suggests the nearest name."

    UnknownRule "unknown-rule"
    "There is no [rule.*] table of this name. The finding suggests the nearest name."

    UnknownWebhook "unknown-webhook"
    "There is no [webhook.*] table of this name. The finding suggests the nearest name."

    UnknownCalendar "unknown-calendar"
    "There is no [calendars.*] table of this name. `mute` lists named calendars, during whose \
     hours the route keeps silent; the plain [calendar] says what the next business day is and \
     has no name."

    MissingFallback "missing-fallback"
    "A critical alert can take this route, and nobody is named for the case that no schedule has \
     anyone on call. A page is never dropped, so somebody must be named: fallback = [\"ana\"]. A \
     route that only sees lower severities needs none: say so in its `match`, or let an earlier \
     route match severity=\"critical\"."

    LastRouteMatch "last-route-match"
    "The last route has a `match`, so an alert that no route matches would go nowhere. Remove \
     `match` from it, or add a last route without one."

    UnreachableRoute "unreachable-route"
    "The first route that matches wins, and a route without `match` takes everything. Routes \
     after it are never asked. Move it to the end, or give it a `match`."

    NoChannel "no-channel"
    "Something is to be sent over a channel that is not configured: a Slack channel or member \
     without [slack], an e-mail address without [email]. A post that could never be sent is an \
     error; a person's address that is not usable is a warning, because other channels may reach \
     them."

    UnreachablePerson "unreachable-person"
    "None of the configured channels reaches this person, so a page to them would go nowhere. \
     Give them `email` with [email], or `slack` with [slack]."

    LateEscalation "late-escalation"
    "The step comes after the response promise has been broken already, so the people it pages \
     can no longer keep it. Escalate earlier, or promise less in [sla]."

    UncoveredHours "uncovered-hours"
    "What a route pages together, or a schedule that no route pages, has hours within the next 30 \
     days in which nobody is on call. Pages in them go to the next step or to the fallback at once; \
     that may be meant, for example where a schedule covers nights only."

    LiteralSecret "literal-secret"
    "A secret stands in the configuration itself, where backups, version control and everybody \
     who may read the file see it. Refer to it: \"cred:NAME\" (systemd credential), \"env:NAME\" \
     (environment) or \"file:PATH\"."

    OpenListen "open-listen"
    "The address is reachable from other machines, and nobody is asked who they are: everybody \
     who can reach it could acknowledge or silence alerts. Listen on 127.0.0.1 behind a proxy, or \
     set [http] auth = { tokens = { ana = \"cred:ana_token\" } }."

    Unsupported "unsupported"
    "The configuration asks for something that this version does not do yet. It is refused rather \
     than ignored, because an ignored rule is a page that never comes."

    SecondDocument "second-document"
    "A Prometheus rule file is one YAML document. Prometheus reads the first and silently drops \
     the others, so the rules in them would never page anybody. Put all groups under one \
     `groups:`, or make several files."

    RuleShape "rule-shape"
    "A rule of a Prometheus file is either an alert (`alert`, `expr`, `for`, `keep_firing_for`, \
     `labels`, `annotations`) or a recording rule (`record`, `expr`, `labels`). This one mixes \
     the two, or is neither."

    DuplicateRule "duplicate-rule"
    "Two rules of a Prometheus file have the same name and the same labels. Recording rules would \
     write the same series twice, alerts would tell the same fault twice. Remove one, or give \
     them different labels."

    NoSeverity "no-severity"
    "An alert of a Prometheus file has no label `severity`. It is taken as a warning: posted, and \
     owed an answer within the promise for warnings. Say what it is, so that nobody is woken for \
     too little or left asleep for too much. Looked for with `check --lint=all`."

    NoSummary "no-summary"
    "An alert of a Prometheus file has none of the annotations summary, description, message and \
     title. Whoever is paged reads its name and its labels, and has to look up the rest. Looked \
     for with `check --lint=all`."

    BareCounter "bare-counter"
    "The value of a counter (a metric whose name ends in _total) is compared or computed with as \
     it stands. It only ever rises until its process starts anew, so a bound on it is passed once \
     and stays passed. What happened lately is rate(...) or increase(...) of it. Looked for with \
     `check --lint=all`."

    LostLabel "lost-label"
    "A template speaks of a label that the expression cannot give, because an aggregation or a \
     match leaves it out; the message would have a hole there. Add the label to `by (...)`, to \
     `on (...)` or to `group_left (...)`. Looked for with `check --lint=all`."

    Cycle "cycle"
    "Rules need each other in a circle, so each would mute the notifications of the next and a \
     fault of all could stay silent. Remove one `needs`."
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_its_own_word_and_a_paragraph() {
        let words: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for code in Code::ALL {
            let word = code.as_str();
            assert!(word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{word}");
            assert!(60 < code.explain().len() && code.explain().ends_with('.'), "{word}");
        }
    }
}
