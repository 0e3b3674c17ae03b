//! From levels to a kept promise: alerts, incidents, routes, duty, escalation, delivery, report.
//!
//! Pure and journalled: values and the time go in, records and effects come out.
