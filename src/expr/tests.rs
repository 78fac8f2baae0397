//! Tables of expressions and what they give.
