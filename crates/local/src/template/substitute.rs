//! Cuts the text of a `!Sub` into what stands as written and what is to be replaced.
//!
//! It replaces nothing: [`super::evaluate`] knows what a name means.

/// A stretch of a `!Sub` text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// Text that stays.
    Literal(&'t str),
    /// The name between `${` and `}`.
    Variable(&'t str),
}

/// The pieces of `text` in order. `${!name}` is how a template writes a literal `${name}`.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else { break };
        if !before.is_empty() {
            pieces.push(Piece::Literal(before));
        }
        if let Some(literal) = name.strip_prefix('!') {
            pieces.extend([Piece::Literal("${"), Piece::Literal(literal), Piece::Literal("}")]);
        } else {
            pieces.push(Piece::Variable(name.trim()));
        }
        rest = behind;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::{Piece::*, pieces};

    #[test]
    fn cuts_names_out_of_the_text() {
        assert_eq!(
            pieces("${Bucket.Arn}/payloads/*"),
            [Variable("Bucket.Arn"), Literal("/payloads/*")]
        );
        assert_eq!(
            pieces("a${!B}c"),
            [Literal("a"), Literal("${"), Literal("B"), Literal("}"), Literal("c")]
        );
        assert_eq!(pieces("open ${end"), [Literal("open ${end")]);
        assert_eq!(pieces(""), []);
    }
}
