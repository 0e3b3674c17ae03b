use std::path::PathBuf;

use super::*;
