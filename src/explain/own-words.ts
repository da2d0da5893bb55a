/** What PostgreSQL itself brings: words that say nothing about whose database a plan is from. */

const set = (words: string): ReadonlySet<string> => new Set(words.split(/\s+/))

/** Keywords that cannot name anything without being quoted. */
export const reservedWords: ReadonlySet<string> = set(
  `all and any array as asc asymmetric both case cast check collate column constraint create default deferrable desc distinct do else end except false fetch for foreign from grant group having in initially intersect into lateral leading limit localtime localtimestamp not null offset on only or order placing primary references returning select session_user some symmetric table then to trailing true union unique user using variadic when where window with
  authorization binary collation concurrently cross current_catalog current_date current_role current_schema current_time current_timestamp current_user freeze full ilike inner is isnull join left like natural notnull outer overlaps right similar tablesample verbose
  between bigint bit boolean char character coalesce dec decimal exists extract float greatest grouping int integer interval least national nchar none normalize nullif numeric overlay position precision real row setof smallint substring time timestamp treat trim values varchar xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable`,
)

/** Keywords that could name something, but are printed in capitals where they are keywords. */
export const capitalWords: ReadonlySet<string> = set(
  `AT BY COLUMNS CURRENT DELETE ESCAPE EXCLUDE FILTER FIRST FOLLOWING GROUPS INSERT LAST MATERIALIZED NOTHING NULLS ORDINALITY OTHERS OVER PARTIAL PARTITION PASSING PATH PRECEDING RANGE REF ROWS SET SYSTEM TIES UNBOUNDED UNKNOWN UPDATE VALUE WITHIN WITHOUT ZONE`,
)

/** Types, where something is cast. */
export const typeWords: ReadonlySet<string> = set(
  `text bpchar name date timestamptz timetz json jsonb uuid bytea regclass oid inet cidr macaddr tsvector tsquery int4 int8 int2 float8 float4 bool tid xid record anyarray money xml point box circle polygon path line lseg varbit int4range int8range numrange tsrange tstzrange daterange int4multirange int8multirange nummultirange tsmultirange tstzmultirange datemultirange double character`,
)

/** Words that follow a type's first: "character varying", "timestamp without time zone". */
export const typeEndings: ReadonlySet<string> = set("varying without zone")

/** Functions, where they are called. */
export const functionWords: ReadonlySet<string> = set(
  `count sum avg min max array_agg string_agg json_agg jsonb_agg json_object_agg jsonb_object_agg bool_and bool_or every bit_and bit_or stddev stddev_pop stddev_samp variance var_pop var_samp corr percentile_cont percentile_disc mode rank dense_rank percent_rank cume_dist row_number lag lead first_value last_value nth_value ntile any_value
  lower upper initcap length substr substring btrim ltrim rtrim left right replace translate reverse concat concat_ws format abs round ceil ceiling floor trunc mod power sqrt exp ln log sign random md5 now date_trunc date_part date_bin timezone to_char to_date to_timestamp to_number age make_date make_interval generate_series generate_subscripts unnest array_length array_position array_to_string string_to_array cardinality split_part strpos position regexp_replace regexp_match regexp_matches regexp_split_to_table octet_length char_length jsonb_array_elements jsonb_array_elements_text json_array_elements jsonb_each jsonb_each_text jsonb_extract_path_text jsonb_typeof jsonb_build_object json_build_object row_to_json to_json to_jsonb to_tsvector to_tsquery plainto_tsquery websearch_to_tsquery ts_rank similar_to_escape like_escape pg_sleep nextval currval clock_timestamp transaction_timestamp statement_timestamp hashtext int4 int8 float8 numeric text date timestamptz`,
)

/** Schemas that every database has. */
export const schemaWords: ReadonlySet<string> = set("public pg_catalog information_schema")
