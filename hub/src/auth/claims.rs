//! Claims: what stands in a token, read in one pass over its JSON. Judges nothing; that is the verifier's part.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::grants::Grants;

/// Longest `jti`, in bytes. It is kept with every session and every revocation.
pub(super) const TOKEN_ID_MAX: usize = 128;

/// Longest `kid`, in bytes. Unknown ones are remembered for a while.
pub(super) const KEY_ID_MAX: usize = 256;

/// Claims with a meaning of their own, which can not name the tenant.
pub(super) const RESERVED: &[&str] = &["sub", "exp", "nbf", "iat", "iss", "aud", "jti", "allow"];

/// The first part of a token.
#[derive(serde::Deserialize)]
pub(super) struct Head<'a> {
    #[serde(borrow)]
    pub(super) alg: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) kid: Option<Cow<'a, str>>,
    /// RFC 7515, 4.1.11: who does not understand all that is listed here must refuse. The hub understands none.
    #[serde(default)]
    pub(super) crit: Option<IgnoredAny>,
}

/// The second part of a token, as far as the hub looks at it. Times are in seconds since 1970.
#[derive(Debug)]
pub(super) struct Claims<'a> {
    pub(super) sub: Option<Cow<'a, str>>,
    pub(super) exp: Option<u64>,
    pub(super) nbf: Option<u64>,
    pub(super) iat: Option<u64>,
    pub(super) iss: Option<Cow<'a, str>>,
    pub(super) aud: Vec<Cow<'a, str>>,
    pub(super) jti: Option<Cow<'a, str>>,
    pub(super) tenant: Option<Cow<'a, str>>,
    pub(super) grants: Grants,
}

/// Reads [`Claims`], the tenant from the claim of this name.
pub(super) struct ClaimsSeed<'s> {
    pub(super) tenant_claim: &'s str,
}

impl<'de> DeserializeSeed<'de> for ClaimsSeed<'_> {
    type Value = Claims<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Claims<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ClaimsSeed<'_> {
    type Value = Claims<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claims<'de>, A::Error> {
        let (mut sub, mut exp, mut nbf, mut iat, mut iss) = (None, None, None, None, None);
        let (mut aud, mut jti, mut tenant, mut allow) = (None, None, None, None);
        while let Some(Text(claim)) = map.next_key()? {
            match &*claim {
                "sub" => text(&mut sub, "sub", &mut map)?,
                "iss" => text(&mut iss, "iss", &mut map)?,
                "jti" => text(&mut jti, "jti", &mut map)?,
                "exp" => seconds(&mut exp, "exp", &mut map)?,
                "nbf" => seconds(&mut nbf, "nbf", &mut map)?,
                "iat" => seconds(&mut iat, "iat", &mut map)?,
                "aud" => once(&mut aud, "aud", map.next_value::<Option<Audience<'de>>>()?)?,
                "allow" => once(&mut allow, "allow", Some(map.next_value::<Grants>()?))?,
                other if other == self.tenant_claim => text(&mut tenant, self.tenant_claim, &mut map)?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let aud = aud.map_or_else(Vec::new, |Audience(all)| all);
        Ok(Claims { sub, exp, nbf, iat, iss, aud, jti, tenant, grants: allow.unwrap_or(Grants::Defaults) })
    }
}

fn text<'de, A: MapAccess<'de>>(slot: &mut Option<Cow<'de, str>>, name: &str, map: &mut A) -> Result<(), A::Error> {
    let value = map.next_value::<Option<Text<'de>>>();
    let value = value.map_err(|_| A::Error::custom(format_args!("`{name}` must be a text")))?;
    once(slot, name, value.map(|Text(value)| value))
}

fn seconds<'de, A: MapAccess<'de>>(slot: &mut Option<u64>, name: &str, map: &mut A) -> Result<(), A::Error> {
    let value = map.next_value::<Option<Seconds>>();
    let value = value.map_err(|_| A::Error::custom(format_args!("`{name}` must be a number of seconds since 1970")))?;
    once(slot, name, value.map(|Seconds(value)| value))
}

/// Two readers that pick different ones of two equal names would see different tokens, so a second one is refused.
fn once<T, E: serde::de::Error>(slot: &mut Option<T>, name: &str, value: Option<T>) -> Result<(), E> {
    if slot.is_some() {
        return Err(E::custom(format_args!("`{name}` stands there twice")));
    }
    *slot = value;
    Ok(())
}

/// Text that is borrowed where it can be.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// RFC 7519: a number of seconds, possibly with a fraction.
struct Seconds(u64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        // 2^53: above it not every second is a number any more.
        let plausible = (0.0..9_007_199_254_740_992.0).contains(&number);
        if plausible { Ok(Self(number as u64)) } else { Err(D::Error::custom("not a time")) }
    }
}

/// One text or a list of them.
struct Audience<'a>(Vec<Cow<'a, str>>);

impl<'de> Deserialize<'de> for Audience<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AudienceVisitor)
    }
}

struct AudienceVisitor;

impl<'de> Visitor<'de> for AudienceVisitor {
    type Value = Audience<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`aud` as a text or a list of texts")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Audience<'de>, E> {
        Ok(Audience(vec![Cow::Borrowed(text)]))
    }

    fn visit_str<E>(self, text: &str) -> Result<Audience<'de>, E> {
        Ok(Audience(vec![Cow::Owned(text.to_owned())]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Audience<'de>, A::Error> {
        let mut all = Vec::new();
        while let Some(Text(text)) = list.next_element()? {
            all.push(text);
        }
        Ok(Audience(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Claims<'_>, serde_json::Error> {
        ClaimsSeed { tenant_claim: "org" }.deserialize(&mut serde_json::Deserializer::from_str(json))
    }

    #[test]
    fn claims_are_read_by_their_names() {
        let json =
            r#"{"sub":"u\u0031","exp":1763600000.9,"iat":1,"aud":["a","b"],"org":"acme","jti":null,"x":{"y":[1]}}"#;
        let claims = read(json).expect("valid");
        assert_eq!(claims.sub.as_deref(), Some("u1"));
        assert_eq!((claims.exp, claims.iat, claims.nbf), (Some(1_763_600_000), Some(1), None));
        assert_eq!(claims.aud, ["a", "b"]);
        assert_eq!((claims.tenant.as_deref(), claims.jti), (Some("acme"), None));
        assert_eq!(claims.grants, Grants::Defaults);
    }

    #[test]
    fn broken_claims_are_refused() {
        for bad in [
            "[]",
            "null",
            r#"{"exp":"1763600000"}"#,
            r#"{"exp":-1}"#,
            r#"{"exp":1e300}"#,
            r#"{"exp":1,"exp":2}"#,
            r#"{"sub":7}"#,
            r#"{"aud":{"a":1}}"#,
            r#"{"aud":["a",1]}"#,
            r#"{"allow":null}"#,
            r#"{"org":["acme"]}"#,
            r#"{"org":"acme","org":"other"}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
