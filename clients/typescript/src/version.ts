// The version of this package, as the hub's logs see it. A test holds it to package.json.

export const VERSION = '0.1.0'
