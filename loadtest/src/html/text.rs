//! Text of a report inside of HTML: nothing that comes from a file gets into a page but through here.

use std::fmt;

use serde::Serialize;

/// Text in an element or in a quoted attribute.
pub(super) struct Text<'a>(pub(super) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(|c: char| "<>&\"'".contains(c) || (c.is_control() && c != '\n' && c != '\t')) {
            to.write_str(&rest[..at])?;
            let mut chars = rest[at..].chars();
            to.write_str(match chars.next() {
                Some('<') => "&lt;",
                Some('>') => "&gt;",
                Some('&') => "&amp;",
                Some('"') => "&quot;",
                Some('\'') => "&#39;",
                // HTML has no way to write a control character.
                _ => "\u{fffd}",
            })?;
            rest = chars.as_str();
        }
        to.write_str(rest)
    }
}

/// The name of a figure, which may break after its underscores.
pub(super) fn name(figure: &str) -> String {
    Text(figure).to_string().replace('_', "_<wbr>")
}

/// Data in a `<script type="application/json">`: no character that could end the element.
pub(super) fn json(value: &impl Serialize) -> String {
    // Numbers and strings always have a form in JSON.
    serde_json::to_string(value).unwrap_or_default().replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_can_not_leave_its_place() {
        let text = Text("<b a='1' b=\"2\">&amp;\u{0}\n").to_string();
        assert_eq!(text, "&lt;b a=&#39;1&#39; b=&quot;2&quot;&gt;&amp;amp;\u{fffd}\n");
        assert_eq!(Text("ünïcode µ").to_string(), "ünïcode µ");
    }

    #[test]
    fn data_can_not_end_its_script() {
        assert_eq!(json(&["</script><!--"]), r#"["\u003c/script>\u003c!--"]"#);
    }
}
