//! Mail, to Debian's OpenSMTPD and to servers that misbehave by a script.

use super::*;

fn mail_config(server: &MailServer) -> Config {
    let mut config = configuration();
    config.email = Some(email_table(server.address.port()));
    config
}

#[tokio::test]
async fn mails_of_an_incident_form_one_thread_with_one_subject() {
    let Some(server) = MailServer::start().await else { return };
    let mut bench = Bench::start(&mail_config(&server), Limits::default());
    let anchor = anchor_of(bench.outcome(page(7, ana_mail(), incident())).await);
    let name = links().installation();
    let id = |delivery: u64| format!("<watchbell-{delivery}.42.{name}@example.org>");
    let expected = Anchor::Email { message_id: id(7) };
    assert_eq!(anchor, expected);
    let follow = Delivery {
        purpose: Purpose::Thread { person: None },
        anchor: Some(anchor.clone()),
        message: message(Reason::Resolved, "it was back at 0.04%", resolved()),
        ..page(8, ana_mail(), resolved())
    };
    assert_eq!(anchor_of(bench.outcome(follow).await), anchor);

    let mut mails = server.wait_for(|mails| mails.len() == 2, DEADLINE).await;
    mails.sort_by_key(|mail| mail.header("message-id").to_owned());
    let [first, second] = &mails[..] else { panic!("{mails:?}") };
    assert_eq!(first.header("message-id"), id(7));
    assert_eq!(first.header("in-reply-to"), "");
    assert_eq!(second.header("message-id"), id(8));
    assert_eq!(second.header("in-reply-to"), id(7));
    assert_eq!(second.header("references"), id(7));
    assert_eq!(first.header("subject"), second.header("subject"));
    assert_eq!(first.header("subject"), "[Watchbell] error_rate api (#42)");
    for mail in &mails {
        assert_eq!(mail.header("auto-submitted"), "auto-generated");
        assert_eq!(mail.header("to"), "ana@example.org");
        assert_eq!(mail.header("from"), "Watchbell <watchbell@example.org>");
    }
    assert!(first.text.starts_with("CRITICAL: api: 1.23% of requests fail. Acknowledge"));
    assert!(second.text.starts_with("RESOLVED (was critical): "), "{}", second.text);
    assert!(!second.text.contains("/ack/"), "nothing to acknowledge any more");
}

#[tokio::test]
async fn the_link_in_a_mail_lets_its_reader_acknowledge_for_a_week() {
    let Some(server) = MailServer::start().await else { return };
    let mut bench = Bench::start(&mail_config(&server), Limits::default());
    anchor_of(bench.outcome(page(7, ana_mail(), incident())).await);
    let mails = server.wait_for(|mails| mails.len() == 1, DEADLINE).await;
    for body in [&mails[0].text, &mails[0].html] {
        let (_, rest) = body.split_once("https://ops.example.org/ack/").expect("a link");
        let token: String = rest
            .chars()
            .take_while(|one| one.is_ascii_alphanumeric() || "-_.".contains(*one))
            .collect();
        let now = watchbell::clock::Clock::start().now();
        let token = links().read(&token, now).expect("a good token");
        assert_eq!(token.incident, IncidentId(42));
        assert_eq!(token.who, "ana");
        let life = token.until.since(now);
        assert!((Duration::from_secs(604_000)..Duration::from_secs(604_801)).contains(&life));
    }
}

#[tokio::test]
async fn a_repeated_mail_has_the_same_message_id() {
    let Some(server) = MailServer::start().await else { return };
    let mut bench = Bench::start(&mail_config(&server), Limits::default());
    let first = bench.outcome(page(7, ana_mail(), incident())).await;
    let repeat = Delivery { may_be_repeat: true, ..page(7, ana_mail(), incident()) };
    assert_eq!(bench.outcome(repeat).await, first);
    let mails = server.wait_for(|mails| mails.len() == 2, DEADLINE).await;
    assert_eq!(mails[0].header("message-id"), mails[1].header("message-id"));
    assert!(mails.iter().any(|mail| mail.text.contains("may be a repeat")));
}

#[tokio::test]
async fn hostile_labels_add_no_header_and_no_markup_to_a_mail() {
    let Some(server) = MailServer::start().await else { return };
    let mut bench = Bench::start(&mail_config(&server), Limits::default());
    anchor_of(bench.outcome(page(7, ana_mail(), hostile())).await);
    let mails = server.wait_for(|mails| mails.len() == 1, DEADLINE).await;
    let mail = &mails[0];
    assert_eq!(mail.header("bcc"), "");
    assert!(mail.html.contains("&lt;script&gt;"), "{}", mail.html);
    assert!(!mail.html.contains("<script"), "{}", mail.html);
    for body in [&mail.text, &mail.html] {
        assert!(!body.contains('\u{202e}') && !body.contains('\u{1b}') && !body.contains('\0'));
        assert!(!body.contains("href=\"javascript:"));
    }
}

#[tokio::test]
async fn a_mail_server_that_refuses_or_is_away_says_which() {
    let Some(server) = MailServer::start().await else { return };
    let mut bench = Bench::start(&mail_config(&server), Limits::default());
    let refused = Address::Email(format!("ana@{REFUSED_DOMAIN}"));
    let why = why_of(bench.outcome(page(1, refused, incident())).await);
    assert!(why.contains("550"), "{why}");
    let nonsense = Address::Email("not an address\r\nBcc: x@y".to_owned());
    let why = why_of(bench.outcome(page(2, nonsense, incident())).await);
    assert!(why.contains("is no mail address"), "{why}");

    let mut config = mail_config(&server);
    config.email.as_mut().unwrap().tls = MailTls::Required;
    bench.notifier.reconfigure(&config, links()).unwrap();
    retry_of(bench.outcome(page(3, ana_mail(), incident())).await);
    config.email = Some(email_table(1));
    bench.notifier.reconfigure(&config, links()).unwrap();
    retry_of(bench.outcome(page(4, ana_mail(), incident())).await);
    assert!(server.mails().is_empty(), "without TLS nothing is sent where it is required");
}

/// A mail server that answers MAIL with `words` and everything else with consent.
async fn scripted_mail_server(words: &'static str) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 test\r\n").await.unwrap();
        let mut line = String::new();
        while stream.read_line(&mut line).await.is_ok_and(|length| 0 < length) {
            let answer = if line.starts_with("MAIL") { words } else { "250 fine" };
            if stream.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
                break;
            }
            line.clear();
        }
    });
    port
}

#[tokio::test]
async fn a_mail_server_that_asks_to_come_back_is_tried_again() {
    for (words, is_retry) in [("451 greylisted, come back", true), ("554 never", false)] {
        let mut config = configuration();
        config.email = Some(email_table(scripted_mail_server(words).await));
        let mut bench = Bench::start(&config, Limits::default());
        let outcome = bench.outcome(page(1, ana_mail(), incident())).await;
        let why = if is_retry { retry_of(outcome).1 } else { why_of(outcome) };
        assert!(why.contains(words.split_once(' ').unwrap().1), "{why}");
    }
}

#[tokio::test]
async fn a_silent_mail_server_is_left_within_the_limit() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = configuration();
    config.email = Some(email_table(silent.local_addr().unwrap().port()));
    let mut bench = Bench::start(&config, brief());
    let (_, why) = retry_of(bench.outcome(page(1, ana_mail(), incident())).await);
    assert_eq!(why, "the mail server gave no answer within 300ms");
}
