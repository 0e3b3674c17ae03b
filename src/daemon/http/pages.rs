//! Pages (begun).
use maud::{Markup, html};
pub(crate) fn come_again(here: &str) -> Markup {
    html! { (here) }
}
