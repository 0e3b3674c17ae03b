//! `query`, `query_range`, `query_exemplars`, `format_query`.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use watchbell_metrics::promql::{
    EvalError, Evaluated, Expr, Options, Stop, ValueType, eval_instant, eval_range,
};
use watchbell_metrics::sample::{Millis, Source};

use crate::http::prometheus_api::params::Params;
use crate::http::prometheus_api::reading::{Meter, Reading};
use crate::http::prometheus_api::{Api, Fault, Reply, kept, write};

/// The most points of one series.
const POINTS_MAX: i64 = 11_000;

/// The most samples of one query: 400 MB. All queries at once must leave memory to the daemon's
/// own work.
const SAMPLES_MAX: usize = 25_000_000;

/// What every query is asked with; read in the order in which Prometheus finds faults.
struct Asked {
    time_limit: Duration,
    options: Options<'static>,
    expr: Expr,
    limit: usize,
    with_stats: bool,
}

impl Asked {
    fn read(params: &Params, limit: usize) -> Result<Self, Fault> {
        let time_limit = params.time_limit()?;
        let mut options = Options { lookback: params.lookback()?, ..Options::default() };
        options.limits.samples_max = SAMPLES_MAX;
        let expr = params.expression()?;
        let with_stats = params.get("stats").is_some();
        Ok(Self { time_limit, options, expr, limit, with_stats })
    }
}

pub(super) async fn instant(State(api): State<Api>, params: Params) -> Result<Reply, Fault> {
    let limit = params.limit()?;
    let at = params.time("time")?.unwrap_or_else(|| api.context.now().as_millis());
    let asked = Asked::read(&params, limit)?;
    answer(&api, asked, at, move |expr, source, options| eval_instant(expr, source, at, options))
        .await
}

pub(super) async fn range(State(api): State<Api>, params: Params) -> Result<Reply, Fault> {
    let limit = params.limit()?;
    let (start, end) = (params.due_time("start")?, params.due_time("end")?);
    if end < start {
        return Err(Fault::parameter("end", "end timestamp must not be before start time"));
    }
    let step = params.due_length("step")?;
    if step <= 0 {
        return Err(Fault::parameter(
            "step",
            "zero or negative query resolution step widths are not accepted. \
             Try a positive integer",
        ));
    }
    if POINTS_MAX < (end - start) / step {
        return Err(Fault::bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. \
             Try decreasing the query resolution (?step=XX)",
        ));
    }
    let mut asked = Asked::read(&params, limit)?;
    if !matches!(asked.expr.value_type(), ValueType::Scalar | ValueType::Vector) {
        let text = format!(
            "invalid expression type {:?} for range query, must be Scalar or instant Vector",
            asked.expr.value_type().to_string()
        );
        return Err(Fault::parameter("query", text));
    }
    let limits = &mut asked.options.limits;
    limits.steps_max = limits.steps_max.max(11_001);
    answer(&api, asked, end, move |expr, source, options| {
        eval_range(expr, source, start..=end, step, options)
    })
    .await
}

/// Evaluates on a thread of its own and writes the answer; what has no time of its own has `at`.
async fn answer(
    api: &Api,
    asked: Asked,
    at: Millis,
    evaluate: impl FnOnce(&Expr, &dyn Source, &Options) -> Result<Evaluated, EvalError> + Send + 'static,
) -> Result<Reply, Fault> {
    let (live, now) = (api.context.live.load_full(), api.context.now().as_millis());
    let meter = asked.with_stats.then(|| Meter::start(&api.context.clock));
    api.query(asked.time_limit, move |store, deadline| {
        let meter = meter.map(Meter::begun);
        let reading = Reading::new(store, meter.as_ref());
        let is_over = || deadline.is_over();
        let stop = Some(Stop::new(&is_over, "its time limit"));
        let options = Options { stop, ..asked.options };
        let mut evaluated = evaluate(&asked.expr, &reading, &options)
            .map_err(|error| Fault::execution(error.message))?;
        let stats = meter.map(|meter| meter.read());
        let missing = kept::missing(&reading.into_selected(), store, &live.config, now);
        evaluated.warnings.extend(missing);
        Ok(write::reply(evaluated, at, asked.limit, stats.as_ref()))
    })
    .await?
}

/// Answers that there are none: exemplars are read over and not kept.
pub(super) async fn exemplars(params: Params) -> Result<Response, Fault> {
    let range = params.range()?;
    if range.to <= range.from {
        return Err(Fault::bad_data("end timestamp must not be before start timestamp"));
    }
    let expr = params.parsed().map_err(Fault::bad_data)?;
    if expr.selectors().is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(Reply::of(&Value::Array(Vec::new())).into_response())
}

pub(super) async fn format(params: Params) -> Result<Reply, Fault> {
    Ok(Reply::of(&Value::from(params.expression()?.to_string())))
}
