/** The SQL expression of one time as the API shows it: RFC 3339, UTC, milliseconds. */
export function timeText(column: string): string {
  return `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

function fields(m: string, c: string, parts: string): string {
  return `
    coalesce(${m}.client_id, ${m}.id::text) as id,
    coalesce(${c}.client_id, ${m}.conversation_id::text) as conversation_id,
    ${m}.seq, ${m}.role, ${m}.content, ${parts} ${m}.status, ${m}.model, ${m}.tokens_used, ${m}.latency_ms,
    ${m}.metadata, ${m}.version, ${timeText(`${m}.created_at`)} as created_at, ${timeText(`${m}.edited_at`)} as edited_at`;
}

/**
 * The one SQL expression that writes a message as `MessageJson`, so that its bytes are the same on every path.
 *
 * @param m alias of a `messages` row
 * @param c alias of its conversation, for the id its author wrote
 */
export function messageJson(m: string, c: string): string {
  return `
    case when ${m}.parts is null
      then (select row_to_json(r) from (select ${fields(m, c, "")}) r)
      else (select row_to_json(r) from (select ${fields(m, c, `${m}.parts,`)}) r)
    end`;
}
