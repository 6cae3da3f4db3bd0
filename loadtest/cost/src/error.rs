//! What can be wrong with the files the model reads. Nothing can be wrong with the arithmetic.

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum CostError {
    /// One of the two files is not what it has to be.
    #[error("{file} cannot be read")]
    File {
        /// Its name.
        file: &'static str,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// A number is not one that can be.
    #[error("{name} must be {expected}, not {value}")]
    Value {
        /// What it is called.
        name: String,
        /// What it has to be.
        expected: &'static str,
        /// What it is.
        value: f64,
    },
}
