//! Rules: typed sources with their bounds, and what one evaluation of a rule says.
