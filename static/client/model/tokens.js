/** The label of a token: its symbol, or the beginning of its mint address. */
export function tokenLabel(token) {
  return token.length > 8 ? `${token.slice(0, 4)}…` : token;
}
