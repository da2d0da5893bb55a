/**
 * Whether a btree that such a server builds merges equal values of type character, which may differ in trailing spaces. From 19 on it
 * does not ("Rescind unsafe deduplication support", October 2026), nor do the last minor releases of 14 and 15 (seen on 15.20);
 * 16 to 18 do (seen on 18.6).
 */
export function mergesCharacter(serverVersion: number): boolean {
  if (serverVersion >= 190000) return false
  return serverVersion >= 160000 || !(serverVersion >= 150020 || (serverVersion >= 140025 && serverVersion < 150000))
}
