import { expect, expectTypeOf, test } from "vitest";
import {
  ERROR_CODES as SERVICE_CODES,
  type ErrorCode as ServiceErrorCode,
} from "../../backscroll/src/domain/errors.ts";
import { ERROR_CODES, type KnownErrorCode } from "../src/index.ts";

test("the client knows every error code of the service, and no other", () => {
  expectTypeOf<KnownErrorCode>().toEqualTypeOf<ServiceErrorCode>();
  expect([...ERROR_CODES].toSorted()).toEqual(Object.keys(SERVICE_CODES).toSorted());
});
