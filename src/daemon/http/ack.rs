//! The signed link of a mail: looking shows one button, pressing it acknowledges.
//!
//! Mail scanners follow links, so a GET never acts. The link itself proves who was sent it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::{Markup, html};
use watchbell_paging::command::{Actor, Surface};
use watchbell_paging::view::{IncidentState, IncidentView};

use crate::http::Context;
use crate::http::act::{Details, Verb, act, find};
use crate::http::errors::Fault;
use crate::http::pages::{Notice, PageFault, Scene, headline, plain, summary};
use crate::links::{BadToken, Token};

pub(super) fn routes(context: &Arc<Context>) -> Router {
    Router::new().route("/ack/{token}", get(show).post(press)).with_state(Arc::clone(context))
}

async fn show(
    State(context): State<Arc<Context>>,
    scene: Scene,
    Path(text): Path<String>,
) -> Result<Markup, PageFault> {
    let token = read(&context, &text)?;
    let incident = find(&context, token.incident)?;
    let notice = match incident.state {
        IncidentState::Triggered => None,
        IncidentState::Acked => Some(Notice::Done(has_it(&scene, &incident))),
        IncidentState::Resolved => Some(Notice::Done("This incident is over.".to_owned())),
    };
    let waits = incident.state == IncidentState::Triggered;
    Ok(draw(&scene, &incident, notice.as_ref(), waits.then_some((text.as_str(), &token))))
}

async fn press(
    State(context): State<Arc<Context>>,
    scene: Scene,
    Path(text): Path<String>,
) -> Result<Response, PageFault> {
    let token = read(&context, &text)?;
    let by = Actor { name: token.who.clone(), program: false, surface: Surface::Mail };
    let command = Verb::Ack.command(token.incident, by, &Details::default(), context.now())?;
    let (status, notice) = match act(&context, token.incident, command).await {
        Ok(done) => match done.already {
            None => (
                StatusCode::OK,
                Notice::Done(format!(
                    "You have it, {}. Nobody else is paged.",
                    scene.name(&token.who)
                )),
            ),
            Some((first, _)) if first == token.who => {
                (StatusCode::OK, Notice::Done(has_it(&scene, &done.incident)))
            }
            Some(_) => (
                StatusCode::OK,
                Notice::Refused(format!("{} Nothing was changed.", has_it(&scene, &done.incident))),
            ),
        },
        Err(fault) => (fault.status, Notice::Refused(fault.text)),
    };
    let scene = Scene { view: context.desk.view(), now: context.now(), ..scene };
    let incident = find(&context, token.incident)?;
    Ok((status, draw(&scene, &incident, Some(&notice), None)).into_response())
}

fn read(context: &Context, text: &str) -> Result<Token, Fault> {
    context.links.read(text, context.now()).map_err(|error| match error {
        BadToken::Damaged => Fault::bad("damaged-link", error.to_string()),
        BadToken::Expired => Fault::new(StatusCode::GONE, "expired-link", error.to_string()),
    })
}

fn draw(
    scene: &Scene,
    incident: &IncidentView,
    notice: Option<&Notice>,
    button: Option<(&str, &Token)>,
) -> Markup {
    let title = format!("#{} {} · Watchbell", incident.id, incident.title);
    plain(
        &title,
        &html! {
            (Scene::notice(notice))
            (headline(scene, incident))
            @if let Some((text, token)) = button {
                form.single method="post" action={ "/ack/" (text) } {
                    button.primary.large type="submit" {
                        "Acknowledge as " (scene.name(&token.who))
                    }
                }
            }
            (summary(scene, incident))
            p { a href={ "/incidents/" (incident.id) } { "Open the incident" } }
        },
    )
}

fn has_it(scene: &Scene, incident: &IncidentView) -> String {
    let by = incident.acked_by.as_deref().map(|by| scene.name(by));
    let at = incident.acked_at.map(|at| at.to_local(&scene.live.config.settings.zone));
    match (by, at) {
        (Some(by), Some(at)) => format!("{by} has it since {}.", at.strftime("%H:%M:%S")),
        (by, _) => format!("{} has it.", by.as_deref().unwrap_or("Somebody")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::http::fixture::{House, form, page};
    use watchbell_paging::id::IncidentId;

    fn link(house: &House, who: &str) -> String {
        let until = house.context.now().plus(Duration::from_secs(60));
        let token = Token { incident: IncidentId(3), who: who.to_owned(), until };
        format!("/ack/{}", house.context.links.sign(&token))
    }

    #[tokio::test]
    async fn looking_shows_one_button_and_acts_on_nothing() {
        let house = House::new();
        let answer = house.send(page(&link(&house, "ana"))).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.text.matches("<button").count(), 1);
        assert!(answer.text.contains("Acknowledge as Ana Ruiz"), "{}", answer.text);
        assert!(house.asked().is_empty());
    }

    #[tokio::test]
    async fn pressing_acknowledges_as_the_addressee_from_mail_even_where_tokens_are_needed() {
        let house = House::new();
        house.tokens(&[("ben", "shibboleth")]);
        let answer = house.send(form(&link(&house, "ana"), "")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert!(answer.text.contains("You have it, Ana Ruiz"), "{}", answer.text);
        let asked = house.asked();
        assert!(asked[0].contains("\"ana\"") && asked[0].contains("surface: Mail"), "{}", asked[0]);
    }

    #[tokio::test]
    async fn acting_twice_shows_who_was_first() {
        let house = House::new();
        house.send(form(&link(&house, "ana"), "")).await;
        let second = house.send(form(&link(&house, "ben"), "")).await;
        assert_eq!(second.status, StatusCode::OK);
        assert!(second.text.contains("Ana Ruiz has it since"), "{}", second.text);
        assert!(second.text.contains("Nothing was changed"));
        let look = house.send(page(&link(&house, "ben"))).await;
        assert!(look.text.contains("Ana Ruiz has it since"));
        assert_eq!(look.text.matches("<button").count(), 0);
    }

    #[tokio::test]
    async fn bad_links_get_a_clear_page() {
        let house = House::new();
        let damaged = house.send(page("/ack/abc.def")).await;
        assert_eq!(damaged.status, StatusCode::BAD_REQUEST);
        assert!(damaged.text.contains("this link is damaged"), "{}", damaged.text);
        let until = house.context.now().minus(Duration::from_secs(1));
        let token = Token { incident: IncidentId(3), who: "ana".to_owned(), until };
        let path = format!("/ack/{}", house.context.links.sign(&token));
        let expired = house.send(page(&path)).await;
        assert_eq!(expired.status, StatusCode::GONE);
        assert!(expired.text.contains("this link has expired"), "{}", expired.text);
        assert_eq!(house.send(form(&path, "")).await.status, StatusCode::GONE);
        assert!(house.asked().is_empty());
    }
}
