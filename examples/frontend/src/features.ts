/** The features that this frontend knows when it is compiled, and how the form's texts become their values. */
import type { DescribeQuery, DiabetesFeatures } from "./gql/graphql";

export type Feature = DescribeQuery["diabetes"]["features"][number];

/** The form's first values. A feature that is missing, misspelt or of the wrong type does not compile. */
export const EXAMPLE: DiabetesFeatures = {
  age: 59,
  sex: "SECOND",
  bmi: 32.1,
  bloodPressure: 101,
  totalCholesterol: 157,
  ldl: 93.2,
  hdl: 38,
  cholesterolRatio: 4,
  logTriglycerides: 4.86,
  glucose: 87,
};

/** The text that a field of the form starts with. */
export function firstText({ name }: Feature): string {
  return name in EXAMPLE ? String(EXAMPLE[name as keyof DiabetesFeatures]) : "";
}

/** The value of a feature, from the text in its field. */
export function read({ kind }: Pick<Feature, "kind">, text: string): string | number | boolean | null {
  if (text === "") return null;
  switch (kind) {
    case "NUMBER":
    case "INTEGER":
      return Number(text);
    case "BOOLEAN":
      return text === "true";
    case "DATETIME":
      return new Date(text).toISOString();
    default:
      return text;
  }
}
