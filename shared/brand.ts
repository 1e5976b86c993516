declare const brand: unique symbol;

/**
 * A value that one parser has vouched for. Brands are minted by type guards in the file that owns the value,
 * never by assertion, so holding a `Digest` proves that somebody parsed it.
 */
export type Brand<Value, Name extends string> = Value & { readonly [brand]: Name };
