//! `query`, `query_range`, `format_query`.

use axum::extract::State;
use serde_json::Value;
use watchbell_metrics::promql::{Options, ValueType, eval_instant, eval_range};

use crate::http::prometheus_api::params::Params;
use crate::http::prometheus_api::{Api, Fault, Reply, kept, write};

/// The most points of one series.
const POINTS_MAX: i64 = 11_000;

pub(super) async fn instant(State(api): State<Api>, params: Params) -> Result<Reply, Fault> {
    let limit = params.limit()?;
    let at = params.time("time")?.unwrap_or_else(|| api.context.now().as_millis());
    let expr = params.expression()?;
    let options = Options { lookback: params.lookback()?, ..Options::default() };
    let (live, now) = (api.context.live.load_full(), api.context.now().as_millis());
    api.run(params.time_limit()?, move |store| {
        let mut evaluated = eval_instant(&expr, store, at, &options)
            .map_err(|error| Fault::execution(error.message))?;
        evaluated.warnings.extend(kept::missing(&expr, store, &live.config, at, now));
        Ok(write::reply(evaluated, at, limit))
    })
    .await?
}

pub(super) async fn range(State(api): State<Api>, params: Params) -> Result<Reply, Fault> {
    let limit = params.limit()?;
    let (start, end) = (params.due_time("start")?, params.due_time("end")?);
    if end < start {
        return Err(Fault::parameter("end", "end timestamp must not be before start time"));
    }
    let step = params.length("step")?.ok_or_else(|| {
        Fault::parameter("step", format!("cannot parse {:?} to a valid duration", ""))
    })?;
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
    let expr = params.expression()?;
    if !matches!(expr.value_type(), ValueType::Scalar | ValueType::Vector) {
        let text = format!(
            "invalid expression type {:?} for range query, must be Scalar or instant Vector",
            expr.value_type().to_string()
        );
        return Err(Fault::parameter("query", text));
    }
    let mut options = Options { lookback: params.lookback()?, ..Options::default() };
    options.limits.steps_max = options.limits.steps_max.max(11_001);
    let (live, now) = (api.context.live.load_full(), api.context.now().as_millis());
    api.run(params.time_limit()?, move |store| {
        let mut evaluated = eval_range(&expr, store, start..=end, step, &options)
            .map_err(|error| Fault::execution(error.message))?;
        evaluated.warnings.extend(kept::missing(&expr, store, &live.config, start, now));
        Ok(write::reply(evaluated, end, limit))
    })
    .await?
}

pub(super) async fn format(params: Params) -> Result<Reply, Fault> {
    Ok(Reply::of(&Value::from(params.expression()?.to_string())))
}
