//! Who is let in, who acts, and what a foreign page cannot do.

use super::*;
use crate::http::fixture::{House, form, get_request, page, request, with_headers};

const ACK: &str = "/api/watchbell/v1/incidents/3/ack";
const LIST: &str = "/api/watchbell/v1/incidents";

#[tokio::test]
async fn with_tokens_everything_but_probes_needs_one() {
    let house = House::new();
    house.tokens(&[("ana", "open sesame")]);
    for path in [LIST, "/metrics", "/api/v1/query?query=up", "/api/nothing", "/api/v2/alerts"] {
        let answer = house.send(get_request(path)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(answer.json()["code"], "unauthenticated", "{path}");
    }
    assert_eq!(house.send(request("POST", "/-/reload", "")).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(house.send(get_request("/-/ready")).await.status, StatusCode::OK);
    assert_eq!(house.send(get_request("/-/healthy")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_bearer_is_let_in_and_is_who_acts() {
    let house = House::new();
    house.tokens(&[("ana", "open sesame"), ("ben", "shibboleth")]);
    let bearer = [("authorization", "Bearer shibboleth")];
    let answer = house.send(with_headers(request("POST", ACK, r#"{"by":"ana"}"#), &bearer)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.json()["acked_by"], "ben", "the token counts, not the body");
    for wrong in ["Bearer open", "Bearer", "Bearer ", "Basic shibboleth", "Bearer open sesame2"] {
        let headers = [("authorization", wrong)];
        let answer = house.send(with_headers(get_request(LIST), &headers)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{wrong:?}");
    }
}

#[tokio::test]
async fn a_token_of_no_person_is_a_programs() {
    let house = House::new();
    house.tokens(&[("deploy-bot", "beep")]);
    let bearer = [("authorization", "Bearer beep")];
    house.send(with_headers(request("POST", ACK, "{}"), &bearer)).await;
    assert!(house.asked()[0].contains("program: true"), "{}", house.asked()[0]);
}

#[tokio::test]
async fn an_empty_token_lets_nobody_in() {
    let house = House::new();
    house.tokens(&[("ana", "")]);
    let answer = house.send(with_headers(get_request(LIST), &[("authorization", "Bearer ")])).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_unix_socket_is_trusted() {
    let house = House::new();
    house.tokens(&[("ana", "open sesame")]);
    let answer = house.send_from(Peer::Socket, request("POST", ACK, r#"{"by":"ben"}"#)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["acked_by"], "ben");
    assert!(house.asked()[0].contains("surface: Cli"));
}

#[tokio::test]
async fn a_foreign_page_cannot_act() {
    let house = House::new();
    let host = ("host", "127.0.0.1:9911");
    for headers in [
        vec![host, ("sec-fetch-site", "cross-site")],
        vec![host, ("sec-fetch-site", "same-site")],
        vec![host, ("origin", "https://evil.example")],
        vec![host, ("origin", "null")],
        vec![host, ("origin", "http://127.0.0.1:8080")],
        // A foreign name that was made to resolve to this machine.
        vec![("host", "evil.example:9911"), ("origin", "http://evil.example:9911")],
    ] {
        let answer =
            house.send(with_headers(request("POST", ACK, r#"{"by":"ana"}"#), &headers)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
        assert_eq!(answer.json()["code"], "cross-site", "{headers:?}");
    }
    assert!(house.asked().is_empty());
}

#[tokio::test]
async fn our_own_pages_and_programs_can_act() {
    let house = House::new();
    for headers in [
        vec![],
        vec![("origin", "http://127.0.0.1:9911"), ("sec-fetch-site", "same-origin")],
        vec![("host", "localhost:9911"), ("origin", "http://localhost:9911")],
        vec![("host", "[::1]:9911"), ("origin", "http://[::1]:9911")],
        vec![("sec-fetch-site", "none")],
    ] {
        let answer =
            house.send(with_headers(request("POST", ACK, r#"{"by":"ana"}"#), &headers)).await;
        assert_eq!(answer.status, StatusCode::OK, "{headers:?}: {}", answer.text);
    }
}

#[test]
fn the_configured_address_is_an_own_name() {
    assert!(is_own_name("ops.example.org", "https://ops.example.org"));
    assert!(is_own_name("OPS.example.org:8443", "https://ops.example.org:8443"));
    assert!(!is_own_name("ops.example.org.evil.example", "https://ops.example.org"));
    assert!(!is_own_name("", "https://ops.example.org"));
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, "127.0.0.1:9911".parse().unwrap());
    headers.insert(header::ORIGIN, "https://ops.example.org".parse().unwrap());
    assert_eq!(same_site(&headers, "https://ops.example.org"), Ok(()), "behind a proxy");
    assert!(same_site(&headers, "https://other.example.org").is_err());
}

#[tokio::test]
async fn a_session_is_good_until_its_end_or_a_new_token() {
    let house = House::new();
    house.tokens(&[("ana", "open sesame")]);
    let ana = PersonId::from("ana");
    let cookie = open_session(&house.context, &ana, "open sesame");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(header::COOKIE, format!("a=b; {pair}").parse().unwrap());
    let tokens = house.context.tokens.load_full();
    let now = house.context.now();
    assert_eq!(session(&headers, &tokens, now), Some(ana));
    assert_eq!(session(&headers, &tokens, now.plus(SESSION_TIME * 2)), None);
    house.tokens(&[("ana", "another")]);
    assert_eq!(session(&headers, &house.context.tokens.load_full(), now), None);
}
#[tokio::test]
async fn a_browser_without_session_is_sent_to_the_login_and_comes_back() {
    let house = House::new();
    house.tokens(&[("ana", "open sesame")]);
    let sent = house.send(page("/incidents/3")).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    assert_eq!(sent.header("location"), "/login?to=/incidents/3");
    let wrong = house.send(form("/login", "token=nonsense&to=/incidents/3")).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert_eq!(wrong.header("set-cookie"), "");
    let entered = house.send(form("/login", "token=open+sesame&to=/incidents/3")).await;
    assert_eq!(entered.status, StatusCode::SEE_OTHER);
    assert_eq!(entered.header("location"), "/incidents/3");
    let cookie = entered.header("set-cookie").split(';').next().unwrap().to_owned();
    let shown = house.send(with_headers(page("/incidents/3"), &[("cookie", &cookie)])).await;
    assert_eq!(shown.status, StatusCode::OK);
    let acted = with_headers(form("/incidents/3/ack", "by=ben"), &[("cookie", &cookie)]);
    assert_eq!(house.send(acted).await.status, StatusCode::SEE_OTHER);
    assert!(house.asked()[0].contains("\"ana\""), "{}", house.asked()[0]);
}

#[tokio::test]
async fn the_login_leads_nowhere_else() {
    let house = House::new();
    house.tokens(&[("ana", "open sesame")]);
    for to in ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", ""] {
        let body = format!("token=open+sesame&to={to}");
        let entered = house.send(form("/login", &body)).await;
        assert_eq!(entered.header("location"), "/", "{to}");
    }
}

#[tokio::test]
async fn a_link_from_a_mail_is_opened_again_so_that_the_strict_cookie_comes_along() {
    let house = House::new();
    house.tokens(&[("ana", "open sesame")]);
    let headers = [("sec-fetch-site", "cross-site")];
    let answer = house.send(with_headers(page("/incidents/3?x=%22%3E"), &headers)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.text.contains("0;url=/incidents/3?x=%22%3E"), "{}", answer.text);
}
