//! What a million messages cost.
