// A page of predictions, of which a container fetches the next one through the product's id.
import { graphql } from "relay-runtime";

graphql`
  query PredictionsQuery {
    diabetes {
      ...Predictions_product
    }
  }
`;

graphql`
  fragment Predictions_product on DiabetesProduct
  @refetchable(queryName: "PredictionsPageQuery")
  @argumentDefinitions(count: { type: "Int", defaultValue: 2 }, cursor: { type: "String" }) {
    title
    predictions(first: $count, after: $cursor) @connection(key: "Predictions_predictions") {
      totalCount
      edges {
        node {
          ...Predictions_prediction
        }
      }
    }
  }
`;

graphql`
  fragment Predictions_prediction on Prediction @refetchable(queryName: "PredictionsOneQuery") {
    answer
    createdAt
    ... on DiabetesPrediction {
      value
      truth
    }
  }
`;
