//! The frame of every page: style and script are ours and inside of the file, and the page is forbidden to load anything.

use super::text::Text;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("values.js");

/// A whole page around what is written into it.
pub(super) fn page(title: &str, body: impl FnOnce(&mut String)) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
         <title>{} · Hubbub load test</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n",
        Text(title)
    );
    body(&mut out);
    out.push_str("</main>\n<script>\n");
    out.push_str(SCRIPT);
    out.push_str("</script>\n</body>\n</html>\n");
    out
}
