// graphql-eslint's rules for schemas and for Relay; what differs from them is named here, with its reason.
import graphql from "@graphql-eslint/eslint-plugin";

const { rules: recommended } = graphql.configs["flat/schema-recommended"];
const { rules: relay } = graphql.configs["flat/schema-relay"];

const PARTS = ["Connection", "Edge", "Payload", "Instance", "Probability", "Diagnostic", "Example", "Count", "Bin", "Histogram", "WouldBe", "LabelCandidate"];
const VALUES = [
  ...["Choice", "Problem", "PageInfo", "Hyperparameter", "Score", "Calibration", "CalibrationChange", "Curve"],
  ...["Intervals", "Interval", "LevelCoverage", "PartCoverage", "ClusterDistance", "LabelShare", "Retraining"],
  ...["UndeclaredValues", "FeatureAnalysis", "FeatureCorrelation", "AuditDetail", "FeatureValue", "TypicalRange"],
  ...["LiveQuality", "QualityBucket", "Measure", "LeftOut", "ClusterShare", "FeatureDrift", "AnswerDrift", "Skew", "FeatureSkew"],
  ...["PairedMeasure", "ComparisonExclusion", "ComparisonFlip", "FlippedAnswer", "TrialDifference", "PendingPromotion"],
  ...["ProductSettings", "DeclaredRule", "DeclaredOption", "RefusedProduct"],
  ...["ProductPermissions", "PredictionStored", "FeedbackGiven", "ProductChanged", "BuildDefaults", "RunningFit"],
];

export default [
  {
    files: ["**/*.graphql"],
    plugins: { "@graphql-eslint": graphql },
    languageOptions: {
      parser: graphql.parser,
      parserOptions: { graphQLConfig: { schema: "relay/schema.graphql" } },
    },
    rules: {
      ...recommended,
      ...relay,
      // One style of mutation: `name(input: NameInput!): NamePayload`.
      "@graphql-eslint/input-name": ["error", { checkInputType: true, caseSensitiveInputType: false }],
      // What is no node of its own is cached inside of the object that it belongs to.
      "@graphql-eslint/strict-id-in-types": [
        "error",
        { acceptedIdNames: ["id"], acceptedIdTypes: ["ID"], exceptions: { types: VALUES, suffixes: PARTS } },
      ],
      // Lists that are short and whole, as a product's features, are no connections.
      "@graphql-eslint/relay-edge-types": ["error", { withEdgeSuffix: true, shouldImplementNode: false, listTypeCanWrapOnlyEdgeType: false }],
    },
  },
];
